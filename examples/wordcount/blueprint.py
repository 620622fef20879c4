"""The word count's blueprint: have the text cut up, the parts counted side by side, the counts added up.

Texts and counts lie among the job's files; what travels between the states is numbers and names.
"""

from __future__ import annotations

from orchestrator_lite import Blueprint

wordcount = Blueprint("wordcount", api_endpoint="/jobs/wordcount")


@wordcount.handler(is_start=True)
async def start(actions):
    """Have the file `text`, which the client has sent along, cut up."""
    actions.dispatch_task("cut_text", params={"file": "text"}, transitions={"success": "count", "failure": "failed"})


@wordcount.handler
async def count(state_history, actions):
    """Hand every part to a worker."""
    actions.dispatch_parallel(
        [{"type": "count_words", "params": {"number": number}} for number in range(state_history["parts"])],
        aggregate_into="merge",
    )


@wordcount.aggregator("merge")
async def merge(aggregation_results, initial_data, state_history, actions):
    """Have the counts added up."""
    if any(result["status"] != "success" for result in aggregation_results.values()):
        actions.go_to("failed")
        return
    actions.dispatch_task(
        "add_up",
        params={"parts": state_history["parts"], "top": initial_data.get("top", 10)},
        transitions={"success": "finished", "failure": "failed"},
    )


@wordcount.handler(is_end=True)
async def finished():
    """Return what `add_up` did: how many words there are and the commonest of them."""


@wordcount.handler(is_end=True)
async def failed():
    """A part could not be counted."""
