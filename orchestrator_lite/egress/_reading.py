"""Reading a body that may be a trap: bytes are counted as they come, and once more as they unfold."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator

from orchestrator_lite.egress.errors import EgressError, TooMuchError

_WINDOWS = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


async def body_of(pieces: AsyncIterator[bytes], encoding: str, *, most: int, most_unfolded: int) -> bytes:
    """A whole body, unpacked.

    Args:
        pieces: The body as it comes.
        encoding: The answer's Content-Encoding; empty: none.
        most: Bytes it may have on the wire.
        most_unfolded: Bytes it may have once it is unpacked.

    Raises:
        TooMuchError: It has more.
        EgressError: It is packed in a way that was not offered, or wrongly.
    """
    unfold = _Unfolding(encoding, most_unfolded)
    came = 0
    async for piece in pieces:
        came += len(piece)
        if came > most:
            raise TooMuchError(f"the answer is larger than {most} bytes")
        unfold.take(piece)
    return unfold.whole()


class _Unfolding:
    """Unpacks piece by piece, never more than is allowed."""

    def __init__(self, encoding: str, most: int) -> None:
        name = encoding.strip().lower()
        if name not in _WINDOWS and name not in ("", "identity"):
            raise EgressError("the answer is packed in a way that was not asked for")
        self._unpack = zlib.decompressobj(_WINDOWS[name]) if name in _WINDOWS else None
        self._most = most
        self._size = 0
        self._parts: list[bytes] = []

    def take(self, piece: bytes) -> None:
        if self._unpack is None:
            return self._keep(piece)
        try:
            self._keep(self._unpack.decompress(piece, self._most - self._size + 1))
        except zlib.error as error:
            raise EgressError("the answer is packed wrongly") from error
        return None

    def whole(self) -> bytes:
        if self._unpack is not None and self._size and not self._unpack.eof:
            raise EgressError("the answer broke off")
        return b"".join(self._parts)

    def _keep(self, part: bytes) -> None:
        self._size += len(part)
        if self._size > self._most:
            raise TooMuchError(f"the answer is larger than {self._most} bytes")
        self._parts.append(part)
