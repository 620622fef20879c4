"""What a list of jobs can be narrowed to."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeAlias, get_args

from fastapi import Request
from pydantic import BeforeValidator, Field

from avtomatika_client.protocol._base import Received
from avtomatika_client.protocol.ids import first_id
from orchestrator_lite.api._document import query
from orchestrator_lite.api._http import ApiError, checked

LONGEST_PAGE = 500
"""Jobs one page of a list holds at most."""

Status: TypeAlias = Literal[
    "pending",
    "running",
    "waiting_for_worker",
    "waiting_for_human",
    "waiting_for_parallel_tasks",
    "waiting_for_sub_job",
    "finished",
    "failed",
    "error",
    "quarantined",
    "cancelled",
]
"""The statuses of the releases."""

_LAST = 2**47 / 1000
"""UTC seconds beyond every id's time."""

_FURTHEST = 2**62

_PLACE = Annotated[int, Field(ge=0, le=_FURTHEST)]

_CURSOR = r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"

_STATUSES = "^({0})(,({0}))*$".format("|".join(get_args(Status)))

_MOMENT = {"anyOf": [{"type": "number", "minimum": 0, "maximum": _LAST}, {"type": "string", "format": "date-time"}]}


def _seconds(value: str) -> float:
    """UTC seconds of a moment: as they stand, or ISO 8601; without an offset that is UTC too."""
    try:
        return float(value)
    except ValueError:
        pass
    try:
        # A plus that was not escaped arrives as a space; no moment ends with one.
        moment = datetime.fromisoformat(value.replace(" ", "+") if "T" in value else value)
        seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        return min(max(seconds, 0.0), _LAST)  # before every job, and after
    except (ValueError, OverflowError) as error:
        raise ValueError("must be UTC seconds or a date and time in ISO 8601") from error


Moment: TypeAlias = Annotated[float, BeforeValidator(_seconds), Field(ge=0, le=_LAST, allow_inf_nan=False)]


class ListQuery(Received):
    """Query of a list.

    Attributes:
        limit: Jobs on a page; more than 500 are 500.
        status: Only jobs in one of these statuses: repeated, or separated by commas.
        blueprint: Only jobs of this blueprint.
        created_after: Only jobs created then or later: UTC seconds or ISO 8601; to a thousandth of a second.
        created_before: Only jobs created earlier.
        cursor: Go on with this page: what the header `X-Next-Cursor` of the page before held.
        offset: Jobs to pass over: the official servers' way to the next page.
    """

    limit: Annotated[int, Field(ge=1)] = 50
    status: list[Status] | None = None
    blueprint: str | None = Field(default=None, min_length=1, max_length=256)
    created_after: Moment | None = None
    created_before: Moment | None = None
    cursor: str | None = Field(default=None, pattern=_CURSOR)
    offset: _PLACE = 0

    @property
    def page(self) -> int:
        """How many jobs the page holds at most."""
        return min(self.limit, LONGEST_PAGE)

    @property
    def narrowed(self) -> dict[str, Any]:
        """What `Core.jobs` takes, but for the limit."""
        bounds = [self.cursor, None if self.created_before is None else first_id(self.created_before)]
        return {
            "status": self.status,
            "blueprint": self.blueprint,
            "before": min((bound for bound in bounds if bound is not None), default=None),
            "after": None if self.created_after is None else first_id(self.created_after),
            "offset": self.offset,
        }


LIST_PARAMETERS = [
    query("limit", {"type": "integer", "minimum": 1, "default": 50}, f"Jobs on a page; at most {LONGEST_PAGE}."),
    query(
        "status",
        {"type": "string", "pattern": _STATUSES},
        "Only jobs in these, with commas between.",
    ),
    query("blueprint", {"type": "string", "minLength": 1, "maxLength": 256}, "Only jobs of this blueprint."),
    query("created_after", _MOMENT, "Only jobs created then or later: UTC seconds or ISO 8601."),
    query("created_before", _MOMENT, "Only jobs created earlier."),
    query(
        "cursor",
        {"type": "string", "pattern": _CURSOR},
        "What `X-Next-Cursor` held.",
    ),
    query("offset", {"type": "integer", "minimum": 0, "maximum": _FURTHEST, "default": 0}, "Jobs to pass over."),
]
"""The query's parameters of the operation."""


def read_query(request: Request) -> ListQuery:
    """The query of a request for a list.

    Raises:
        ApiError: 400 naming the field that is wrong; for `limit` and `offset` in the words of the releases.
    """
    params = request.query_params
    plain: dict[str, Any] = dict(params)
    if "status" in plain:
        plain["status"] = [status for text in params.getlist("status") for status in text.split(",")]
    try:
        return checked(ListQuery, plain)
    except ApiError as error:
        if str(error).startswith(("limit:", "offset:")):
            raise ApiError(400, "Invalid limit/offset parameter") from error
        raise ApiError(400, re.sub(r"^status\.\d+", "status", str(error))) from error
