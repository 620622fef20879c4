"""The word count's blueprint: cut the text up, have the parts counted side by side, add the counts up."""

from __future__ import annotations

from collections import Counter

from orchestrator_lite import Blueprint

SMALLEST_PART = 2_000  # characters
MOST_PARTS = 64

wordcount = Blueprint("wordcount", api_endpoint="/jobs/wordcount")


@wordcount.handler(is_start=True)
async def split(initial_data, actions):
    """Hand every part of the text to a worker."""
    parts = cut(initial_data["text"])
    actions.dispatch_parallel(
        [{"type": "count_words", "params": {"number": number, "text": part}} for number, part in enumerate(parts)],
        aggregate_into="merge",
    )


@wordcount.aggregator("merge")
async def merge(aggregation_results, state_history, actions):
    """Add the parts' counts up, in the order of the text."""
    results = aggregation_results.values()
    if any(result["status"] != "success" for result in results):
        actions.go_to("failed")
        return
    total = Counter()
    for part in sorted((result["data"] for result in results), key=lambda data: data["number"]):
        total.update(dict(part["counts"]))
    state_history["parts"] = len(results)
    state_history["counts"] = total.most_common()
    actions.go_to("finished")


@wordcount.handler(is_end=True)
async def finished(initial_data, state_history):
    """Return how many words there are and the commonest of them."""
    counts = state_history["counts"]
    return {
        "parts": state_history["parts"],
        "words": sum(count for _, count in counts),
        "top": counts[: initial_data.get("top", 10)],
    }


@wordcount.handler(is_end=True)
async def failed():
    """A part could not be counted."""


def cut(text: str) -> list[str]:
    """Cut `text` at white space, where no word can be cut in two; the parts joined are the text."""
    size = max(SMALLEST_PART, len(text) // MOST_PARTS)
    parts, begin = [], 0
    while begin < len(text) or not parts:
        end = begin + size
        while end < len(text) and not text[end].isspace():
            end += 1
        parts.append(text[begin:end])
        begin = end
    return parts
