"""The listening socket of `dev`: it outlives the servers, so that who connects during a reload waits a moment."""

from __future__ import annotations

import socket

from orchestrator_lite._binding import BACKLOG, bind, url_of

_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared with, not bound


class Door:
    """Open while there is a server behind it; closed, connections are refused at once."""

    def __init__(self) -> None:
        self._bound: socket.socket | None = None
        self._address: tuple[str, int] | None = None
        self.url = ""
        """Where to knock, from this machine."""

    def opened(self, host: str, port: int) -> socket.socket:
        """The listening socket; the first call binds it.

        Args:
            host: Address.
            port: Port; 0 takes a free one and keeps it.

        Raises:
            ListenError: The address cannot be bound.
        """
        if self._bound is None:
            self._bound = bind(*(self._address or (host, port)))
            self._bound.listen(BACKLOG)
            self._address = host, self._bound.getsockname()[1]
            seen = url_of(self._bound)
            self.url = seen.replace(host, _EVERYWHERE[host], 1) if host in _EVERYWHERE else seen
        return self._bound

    def close(self) -> None:
        """Refuse connections."""
        if self._bound is not None:
            self._bound.close()
            self._bound = None
