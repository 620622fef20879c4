"""Where a download goes: into memory, or into a file that is there only once it is whole. Writing blocks."""

from __future__ import annotations

import os
import re
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from io import FileIO

_CONTENT_RANGE: Final = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")
_LONGEST_STEM: Final = 50
"""Characters, which may be four bytes each: names end at 255 bytes."""


class Place(Protocol):
    """What a `Download` is written into."""

    def restart(self) -> None:
        """Begin anew: what was written is void."""

    def write(self, chunk: bytes) -> None:
        """Append."""


class Download:
    """A `Sink` that counts, so that a download which broke off goes on where it ended, and a short one is noticed.

    Attributes:
        received: Bytes so far.
        total: Bytes in all; None while that is not known.
        etag: What the server calls this version of the file.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self.received = 0
        self.total: int | None = None
        self.etag: str | None = None

    def resume_headers(self) -> dict[str, str]:
        """What asks for the rest alone, provided that the file is still the same."""
        if not self.received or self.etag is None or self.etag.startswith("W/"):
            return {}
        return {"range": f"bytes={self.received}-", "if-range": self.etag}

    def begin(self, headers: Mapping[str, str]) -> None:
        """A 2xx reply begins: the whole file, or the rest that was asked for."""
        part = _CONTENT_RANGE.fullmatch(headers.get("content-range", ""))
        if part is not None and int(part[1]) == self.received:
            self.total = None if part[2] == "*" else int(part[2])
            return
        if part is not None and int(part[1]) != 0:
            raise OSError("the server sent another part of the file than was asked for")
        self._place.restart()
        self.received = 0
        self.etag = headers.get("etag")
        encoded = headers.get("content-encoding", "identity") != "identity"
        length = headers.get("content-length", "")
        self.total = int(length) if length.isdecimal() and not encoded else None

    def write(self, chunk: bytes) -> None:
        """The next piece."""
        self._place.write(chunk)
        self.received += len(chunk)

    def check(self) -> None:
        """Raises OSError when less, or more, came than was announced."""
        if self.total is not None and self.received != self.total:
            raise OSError(f"the download is not whole: {self.received} of {self.total} bytes came")


class Memory:
    """A download that is kept in memory."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def restart(self) -> None:
        """Begin anew."""
        self._pieces.clear()

    def write(self, chunk: bytes) -> None:
        """Append."""
        self._pieces.append(chunk)

    @property
    def content(self) -> bytes:
        """All of it."""
        return b"".join(self._pieces)


class PartFile:
    """A file beside its target that takes the target's place when it is whole."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self._file: FileIO | None = None

    def restart(self) -> None:
        """Begin anew."""
        if self._file is None:
            part = self.target.with_name(f".{self.target.name[:_LONGEST_STEM]}.{token_hex(4)}.part")
            self._file = part.open("xb", buffering=0)
        self._file.seek(0)
        self._file.truncate()

    def write(self, chunk: bytes) -> None:
        """Append."""
        if self._file is not None:
            view = memoryview(chunk)
            while view:
                view = view[self._file.write(view) :]

    def finish(self) -> Path:
        """Put the file in its place."""
        if self._file is None:
            self.restart()
        part = self._close()
        try:
            if part is not None:
                part.replace(self.target)
        except OSError:
            _remove(part)
            raise
        return self.target

    def discard(self) -> None:
        """Remove what was written, unless it is in its place."""
        _remove(self._close())

    def _close(self) -> Path | None:
        file, self._file = self._file, None
        if file is None:
            return None
        file.close()
        return Path(file.name)


def target_of(to: str | os.PathLike[str], name: str) -> Path:
    """The file a download goes to: `to`, or where that is a folder the file in it under its own base name.

    Raises:
        OSError: The folder it would lie in is not there.
    """
    path = Path(to)
    if path.is_dir():
        return path / name.rpartition("/")[2]
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path}: the folder {path.parent} is not there")
    return path


def _remove(part: Path | None) -> None:
    if part is not None:
        part.unlink(missing_ok=True)
