"""What the operator has opened: hosts as they are written, whatever they lead to."""

from __future__ import annotations

from collections.abc import Iterable

from orchestrator_lite.egress.errors import EgressAllowError, EgressRefused
from orchestrator_lite.egress.targets import Target, host_of


class Allowed:
    """Hosts that are not judged.

    A name is opened, not what it leads to: `localhost` does not open `127.0.0.1`, nor the other way round.

    Args:
        entries: `HOST` (every port) or `HOST:PORT`; IPv6 addresses in brackets where a port follows.

    Raises:
        EgressAllowError: An entry cannot be read.
    """

    def __init__(self, entries: Iterable[str] = ()) -> None:
        self._open = {_entry(entry) for entry in entries}

    def opens(self, target: Target) -> bool:
        """Whether a call may go there without being judged."""
        return (target.host, None) in self._open or (target.host, target.port) in self._open


def _entry(text: str) -> tuple[str, int | None]:
    host, port = _parted(text.strip())
    try:
        name, _ = host_of(host.strip("[]"), bracketed=":" in host)
        if port is None:
            return name, None
        if port.isascii() and port.isdigit() and 0 < int(port) < 65536:
            return name, int(port)
    except EgressRefused as error:
        raise EgressAllowError(f"egress_allow: {text!r} is no HOST[:PORT]: {error}") from error
    raise EgressAllowError(f"egress_allow: {text!r} is no HOST[:PORT]: the port must be 1 to 65535")


def _parted(text: str) -> tuple[str, str | None]:
    """Host and port; a bare IPv6 address has more colons than one."""
    if text.startswith("[") or text.count(":") < 2:
        host, colon, port = text.rpartition(":")
        if colon and not port.endswith("]"):
            return host, port
    return text, None
