"""The webhooks API: what has been told, and telling it again."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

from pydantic import TypeAdapter

from avtomatika_client._calls._paging import Fetch, Page
from avtomatika_client._calls._session import UNSET, parse
from avtomatika_client._calls._versions import VERSIONED, versioned_call
from avtomatika_client.protocol.headers import NEXT_CURSOR
from avtomatika_client.protocol.webhooks import WebhookDelivery

if TYPE_CHECKING:
    from avtomatika_client._calls._flow import Flow
    from avtomatika_client._calls._session import Session, Timeout

_DELIVERIES = TypeAdapter(list[WebhookDelivery])
_PATH = "/webhooks/deliveries"


def pages_of_deliveries(
    session: Session,
    *,
    limit: int,
    job_id: str | None = None,
    status: str | None = None,
    begin: str | None = None,
    timeout: Timeout = UNSET,
) -> Fetch[WebhookDelivery]:
    """What webhooks of the client's jobs have been told, newest first, page by page.

    Raises:
        NotSupportedByServerError: The server has no such list.
        ValueError: The limit is below 1.
    """
    if limit < 1:
        raise ValueError("limit: must be 1 or more")

    def fetch(cursor: str | None) -> Flow[Page[WebhookDelivery]]:
        place = begin if cursor is None else cursor
        given = {"limit": limit, "job_id": job_id, "status": status, "cursor": place}
        query = urlencode({name: value for name, value in given.items() if value is not None})
        request, reply = yield from versioned_call(
            session, "GET", VERSIONED, f"{_PATH}?{query}", session.budget(timeout), optional=True
        )
        return Page(parse(_DELIVERIES.validate_json, reply, request), reply.headers.get(NEXT_CURSOR))

    return fetch


def delivery(session: Session, delivery_id: int, timeout: Timeout = UNSET) -> Flow[WebhookDelivery]:
    """One delivery."""
    path, budget = f"{_PATH}/{int(delivery_id)}", session.budget(timeout)
    request, reply = yield from versioned_call(session, "GET", VERSIONED, path, budget, optional=True)
    return parse(WebhookDelivery.model_validate_json, reply, request)


def redeliver(session: Session, delivery_id: int, timeout: Timeout = UNSET) -> Flow[WebhookDelivery]:
    """Send it again; asked twice it may be sent twice, which receivers know by its event's id."""
    path, budget = f"{_PATH}/{int(delivery_id)}/redeliver", session.budget(timeout)
    request, reply = yield from versioned_call(session, "POST", VERSIONED, path, budget, safe=True, optional=True)
    return parse(WebhookDelivery.model_validate_json, reply, request)
