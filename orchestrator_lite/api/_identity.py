"""Who a request is of: the worker it may speak for, the person whose token it carries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import HTTPConnection

from avtomatika_client.protocol import headers
from orchestrator_lite.api._front import BADGE, CLIENT
from orchestrator_lite.api._site import site_of

if TYPE_CHECKING:
    from orchestrator_lite.access import Access, Badge, User


def access_of(request: HTTPConnection) -> Access:
    """Who may do what on the server behind a request or a socket."""
    access = site_of(request.scope).access
    assert access is not None  # noqa: S101 - the front door lets nobody in while it does not run
    return access


def speaks_for(request: HTTPConnection, worker_id: str) -> None:
    """That the request's token is one of this worker: what a body says is judged here, a path by the front door.

    Raises:
        Refused: 401.
    """
    access_of(request).workers.check(request.scope[BADGE], worker_id)


def is_still_client(request: HTTPConnection) -> bool:
    """Whether the token a client's request came with is still its own: `clients.toml` may have been read again."""
    token = request.headers[headers.CLIENT_TOKEN].encode("latin-1")
    return access_of(request).is_still(request.scope[CLIENT], token)


def badge_of(request: HTTPConnection) -> Badge:
    """The workers whose own token the request carries; None: that of all."""
    badge: Badge = request.scope[BADGE]
    return badge


def owner_of(request: HTTPConnection) -> str | None:
    """The one worker whose own token the request carries."""
    badge = badge_of(request)
    return next(iter(badge)) if badge is not None and len(badge) == 1 else None


async def person_of(request: HTTPConnection) -> User | None:
    """The user whose token the request carries as `Authorization: Bearer …`; None: nobody known."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return await access_of(request).people.holder(token.strip()) if scheme.lower() == "bearer" else None
