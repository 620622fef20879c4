"""The word count's worker: it knows what a word is and counts those of one part."""

from __future__ import annotations

import re
from collections import Counter

from pydantic import BaseModel

from avtomatika_worker import Worker, skill


class Part(BaseModel):
    number: int
    text: str


class PartCounts(BaseModel):
    number: int
    counts: list[tuple[str, int]]


def words(text: str) -> list[str]:
    """A word is an unbroken run of letters, digits and underscores; case does not matter."""
    return re.findall(r"\w+", text.lower())


@skill
def count_words(params: Part) -> PartCounts:
    """Count the words of one part; a plain function, so it runs in a thread."""
    return PartCounts(number=params.number, counts=list(Counter(words(params.text)).items()))


worker = Worker("wordcounter", skills=[count_words])
