"""What schemathesis is told besides the document; it loads this module in a process of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import schemathesis

if TYPE_CHECKING:
    from schemathesis import Case, CheckContext, HookContext, Response

SHORT = 0.05
"""Seconds that a poll, a wait or a stream of events is held at most."""


@schemathesis.hook
def before_call(context: HookContext, case: Case, kwargs: dict[str, Any]) -> None:
    """Waits are short, streams end, and what no schema can say is said: a target that may be called, a later end."""
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


def _whole(body: Any) -> None:
    """A body without any key that creations know would be the initial data itself, whatever else it holds."""
    if isinstance(body, dict):
        body.setdefault("initial_data", {})


def _is_long(wait: Any) -> bool:
    try:
        return float(wait) > SHORT
    except (TypeError, ValueError):
        return False
