"""What schemathesis is told besides the document; it loads this module in a process of its own."""

from __future__ import annotations

import json
import os
from itertools import count, cycle
from typing import TYPE_CHECKING, Any

import schemathesis
from schemathesis.core.parameters import ParameterLocation

if TYPE_CHECKING:
    from schemathesis import Case, CheckContext, HookContext, Response

IDS = "AVTOMATIKA_FUZZ_IDS"
"""The variable that holds, as JSON, what leads somewhere by the name of the parameter."""

_REAL = {name: cycle(values) for name, values in json.loads(os.environ[IDS]).items()} if IDS in os.environ else {}
_TURN = count()

SHORT = 0.05
"""Seconds that a poll, a wait or a stream of events is held at most."""


@schemathesis.hook
def before_call(context: HookContext, case: Case, kwargs: dict[str, Any]) -> None:
    """Waits are short, streams end, and what no schema can say is said: a target that may be called, a later end."""
    _lead_somewhere(case)
    if case.path.endswith("/events") and case.method == "GET" and "wait" not in case.query:
        case.query["wait"] = 0
    for holder in (case.query, case.body):
        if isinstance(holder, dict) and _is_long(holder.get("wait")):
            holder["wait"] = SHORT
    if case.method == "POST" and case.path.startswith("/api/v1/jobs/") and "{" not in case.path:
        _whole(case.body)
    if isinstance(case.body, dict) and case.meta is not None and case.meta.generation.mode.is_positive:
        for body in (case.body, *case.body.get("jobs", ())):
            if body.get("webhook_url") is not None:
                body["webhook_url"] = "http://127.0.0.1:9/hook"
            if body.get("delay") is not None:
                body.pop("result_timeout", None)


@schemathesis.check
def status_is_named(context: CheckContext, response: Response, case: Case) -> None:
    """`default` is for what lies before every route: no route of that kind (405, HEAD and OPTIONS) or path (404)."""
    named = case.operation.definition.raw["responses"]
    status = str(response.status_code)
    if status not in named and status not in {"204", "404", "405"}:
        raise AssertionError(f"The document does not name status {status}: {response.text[:500]}")


def _lead_somewhere(case: Case) -> None:
    """Three of four ids are real ones, each in its turn, unless a wrong one is what the request is about."""
    meta = case.meta
    if meta is None or next(_TURN) % 4 == 0:
        return
    if not meta.is_negative_at(ParameterLocation.PATH):
        for name in case.path_parameters.keys() & _REAL.keys():
            case.path_parameters[name] = next(_REAL[name])
        if case.path.startswith("/_worker/jobs/"):
            case.path_parameters["job_id"] = next(_REAL["task_id"]).rpartition("-")[0]
    named = {parameter["name"].lower() for parameter in case.operation.definition.raw.get("parameters", ())}
    if "x-worker-id" in named and not meta.is_negative_at(ParameterLocation.HEADER):
        case.headers["x-worker-id"] = "w1"
    if isinstance(case.body, dict) and not meta.is_negative_at(ParameterLocation.BODY):
        given = {"attempt": 1, "skill": "greet"}
        case.body.update({name: value for name, value in given.items() if name in case.body})


def _whole(body: Any) -> None:
    """A body without any key that creations know would be the initial data itself, whatever else it holds."""
    if isinstance(body, dict):
        body.setdefault("initial_data", {})


def _is_long(wait: Any) -> bool:
    try:
        return float(wait) > SHORT
    except (TypeError, ValueError):
        return False
