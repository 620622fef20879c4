"""The word count's worker: it cuts a text up, knows what a word is, counts those of a part, and adds counts up."""

from __future__ import annotations

import json
import re
from collections import Counter

from pydantic import BaseModel

from avtomatika_worker import Context, InvalidInputError, Worker, skill

SMALLEST_PART = 2_000  # characters
MOST_PARTS = 64
SPACE = re.compile(r"\s")


class Text(BaseModel):
    file: str


class Parts(BaseModel):
    parts: int


class Part(BaseModel):
    number: int


class Counted(BaseModel):
    parts: int
    top: int


class Total(BaseModel):
    parts: int
    words: int
    top: list[tuple[str, int]]


@skill
def cut_text(params: Text, ctx: Context) -> Parts:
    """Put the parts of a text among the job's files; a plain function, so it runs in a thread."""
    files = ctx.files.blocking
    path = files.download(params.file)
    size = max(SMALLEST_PART, path.stat().st_size // MOST_PARTS)
    number = 0
    try:
        with path.open(encoding="utf-8-sig", newline="") as text:
            for number, part in enumerate(cut(text, size), start=1):
                files.upload(f"parts/{number - 1}", part.encode())
    except UnicodeDecodeError:
        raise InvalidInputError("the text is not UTF-8") from None
    return Parts(parts=number)


@skill
def count_words(params: Part, ctx: Context) -> None:
    """Count the words of one part."""
    files = ctx.files.blocking
    counts = Counter(words(files.read(f"parts/{params.number}").decode()))
    files.upload(f"counts/{params.number}", json.dumps(counts).encode())


@skill
def add_up(params: Counted, ctx: Context) -> Total:
    """Add the parts' counts up, in the order of the text."""
    total = Counter()
    for number in range(params.parts):
        total.update(json.loads(ctx.files.blocking.read(f"counts/{number}")))
    return Total(parts=params.parts, words=total.total(), top=total.most_common(params.top))


def cut(text, size):
    """Cut an open text about every `size` characters at white space, where no word can be cut in two."""
    part = text.read(size)
    while part:
        ahead = text.read(size)
        while ahead and not SPACE.search(ahead):
            part, ahead = part + ahead, text.read(size)
        at = SPACE.search(ahead).start() if ahead else 0
        yield part + ahead[:at]
        part = ahead[at:] + text.read(at)


def words(text: str) -> list[str]:
    """A word is an unbroken run of letters, digits and underscores; case does not matter."""
    return re.findall(r"\w+", text.lower())


worker = Worker("wordcounter", skills=[cut_text, count_words, add_up])
