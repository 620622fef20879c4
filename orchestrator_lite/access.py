"""Who may do what: tokens of clients and workers, and the rules of development mode."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import ip_address

from avtomatika_client.protocol import headers
from avtomatika_client.protocol.errors import AvtomatikaError
from orchestrator_lite.engine.state import Client
from orchestrator_lite.settings import Settings

FORWARDING = frozenset(
    {b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"x-real-ip", b"via"}
)
"""Headers a proxy adds: a request that came through one did not come from this machine."""

_HOST = re.compile(r"(?:\[([^\]]*)\]|([^:]*))(?::[0-9]*)?")
"""An address or a name, and a port: what follows could lead elsewhere where the header becomes part of a URL."""


class AccessError(AvtomatikaError):
    """The server refuses to start open to others without credentials."""


class Refused(AvtomatikaError):
    """A request that is not let in, with the status and text of its answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Access:
    """Checks tokens by their digest, so that comparing takes the same time whatever was sent.

    Args:
        settings: Where the tokens are.
        loopback: Whether the server is bound to a loopback address; None where that is not known (`.asgi`).

    Raises:
        AccessError: Credentials are missing and development mode is not on.
    """

    def __init__(self, settings: Settings, *, loopback: bool | None) -> None:
        configured = settings.client_token is not None or settings.worker_token is not None
        self.development = _development(settings, configured=configured, loopback=loopback)
        clients: dict[str, Client] = {}
        workers: list[str] = []
        if settings.client_token is not None:
            clients[settings.client_token.get_secret_value()] = Client(name="default")
        elif self.development:
            clients[headers.DEV_CLIENT_TOKEN] = Client(name="dev")
        if settings.worker_token is not None:
            workers.append(settings.worker_token.get_secret_value())
        elif self.development:
            workers.append(headers.DEV_WORKER_TOKEN)
        if not clients or not workers:
            raise AccessError(
                "set both ORCHESTRATOR_LITE_CLIENT_TOKEN and ORCHESTRATOR_LITE_WORKER_TOKEN: one is missing"
            )
        self._clients = {_digest(token.encode()): client for token, client in clients.items()}
        self._workers = {_digest(token.encode()) for token in workers}

    def client(self, token: bytes | None) -> Client:
        """The client a token belongs to.

        Raises:
            Refused: 401, in the words of the releases.
        """
        if token is None:
            raise Refused(401, "Missing X-Client-Token header")
        client = self._clients.get(_digest(token))
        if client is None:
            raise Refused(401, "Unauthorized: Invalid token")
        return client

    def worker(self, token: bytes | None) -> None:
        """Let a worker in.

        Raises:
            Refused: 401, in the words of the releases: it makes official workers renew their token.
        """
        if token is None:
            raise Refused(401, "Missing X-Worker-Token header or client certificate")
        if _digest(token) not in self._workers:
            raise Refused(401, "Unauthorized: No valid token found")

    def origin(self, sent: Iterable[tuple[bytes, bytes]]) -> None:
        """In development mode only this machine is answered: no other name, no proxy between.

        Raises:
            Refused: 403.
        """
        if not self.development:
            return
        for name, value in sent:
            if name == b"host" and not _names_loopback(value):
                raise Refused(403, "development mode answers only requests to a loopback host")
            if name in FORWARDING:
                raise Refused(403, "development mode answers no forwarded requests")


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


@lru_cache(maxsize=64)
def _names_loopback(host: bytes) -> bool:
    """Whether a Host header means this machine."""
    found = _HOST.fullmatch(host.decode("latin-1").strip().lower())
    return found is not None and is_loopback(found[1] or found[2])


def _development(settings: Settings, *, configured: bool, loopback: bool | None) -> bool:
    if settings.development and loopback is False:
        raise AccessError("development mode is for this machine alone: listen on 127.0.0.1, or set tokens instead")
    if settings.development is not None:
        return settings.development
    if configured:
        return False
    if loopback:
        return True
    raise AccessError(
        "no credentials are set: set ORCHESTRATOR_LITE_CLIENT_TOKEN and ORCHESTRATOR_LITE_WORKER_TOKEN, or listen on"
        " 127.0.0.1" + (", or pass Settings(development=True)" if loopback is None else "")
    )


def _digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()
