"""Query parameters that several routes read."""

from __future__ import annotations

from fastapi import Request

from orchestrator_lite.api._document import query
from orchestrator_lite.api._http import ApiError

WAIT = query(
    "wait",
    {"type": "number", "minimum": 0},
    "Seconds to hold the answer until the job has ended; at most 60.",
)
"""How `?wait=` stands in the OpenAPI document."""

LONGEST_WAIT = 60.0
"""Seconds one `?wait=` holds at most."""


def wait_seconds(request: Request) -> float:
    """Seconds to hold an answer, by `?wait=`; 0 where it is not given.

    Raises:
        ApiError: 400: it is no number of seconds.
    """
    text = request.query_params.get("wait")
    if text is None:
        return 0.0
    try:
        seconds = float(text)
    except ValueError as error:
        raise ApiError(400, "wait: must be a number of seconds") from error
    if not 0 <= seconds < float("inf"):
        raise ApiError(400, "wait: must be a number of seconds, zero or more")
    return min(seconds, LONGEST_WAIT)
