"""What operators ask of a running server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from avtomatika_client._calls._session import UNSET
from avtomatika_client._calls._versions import VERSIONED, versioned_call

if TYPE_CHECKING:
    from avtomatika_client._calls._flow import Flow
    from avtomatika_client._calls._session import Session, Timeout


def reload_workers(session: Session, timeout: Timeout = UNSET) -> Flow[None]:
    """Make the server read its file of workers again; twice does no harm.

    Raises:
        NotSupportedByServerError: The server cannot.
        APIStatusError: 422: the file means nothing, and what was read before holds on.
    """
    budget = session.budget(timeout)
    yield from versioned_call(session, "POST", VERSIONED, "/admin/reload-workers", budget, safe=True, optional=True)
