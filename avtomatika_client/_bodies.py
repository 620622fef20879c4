"""Where a file's bytes come from: a path, bytes, an open binary file, an iterable of bytes. Reading blocks."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol, TypeAlias, cast

Source: TypeAlias = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO | Iterable[bytes]
"""A path, bytes, a file opened for reading in binary mode, or an iterable of bytes."""

PIECE: Final = 256 * 1024


class Body(Protocol):
    """A source that was looked at and can be sent; an `Upload` of the transports."""

    @property
    def size(self) -> int | None:
        """Bytes in all; None when that is not known."""

    @property
    def repeatable(self) -> bool:
        """Whether it can be sent again from its beginning."""

    def chunks(self) -> Iterator[bytes]:
        """The bytes from the beginning."""


def open_source(source: Source) -> Body:
    """Look at a source: whether it can be read, and how long it is.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is nothing that bytes can be read from.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        return _Bytes(bytes(source))
    if isinstance(source, str | os.PathLike):
        return _File(Path(source))
    if hasattr(source, "read"):
        return _opened(cast("BinaryIO", source))
    if isinstance(source, Iterable):
        return _Pieces(source)
    raise ValueError(f"a file's source is a path, bytes, a binary file or an iterable of bytes, not {_kind(source)}")


class _Bytes:
    repeatable = True

    def __init__(self, content: bytes) -> None:
        self._content = content

    @property
    def size(self) -> int | None:
        return len(self._content)

    def chunks(self) -> Iterator[bytes]:
        for at in range(0, len(self._content), PIECE):
            yield self._content[at : at + PIECE]


class _File:
    """A file by its path: as long as it was when it was looked at; what is appended meanwhile is left out."""

    repeatable = True

    def __init__(self, path: Path) -> None:
        self._path = path
        if path.is_dir():
            raise IsADirectoryError(f"{path}: is a directory; name the files in it")
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
        if not path.is_file():
            raise ValueError(f"{path}: is not a regular file; open it and pass the file")
        self._size = found.st_size

    @property
    def size(self) -> int | None:
        return self._size

    def chunks(self) -> Iterator[bytes]:
        with self._path.open("rb", buffering=0) as file:
            yield from _exactly(file, self._size, str(self._path))


class _Opened:
    """An open file that can be wound back to where it stood."""

    repeatable = True

    def __init__(self, file: BinaryIO, begin: int) -> None:
        self._file = file
        self._begin = begin
        self._size = max(0, file.seek(0, os.SEEK_END) - begin)
        file.seek(begin)

    @property
    def size(self) -> int | None:
        return self._size

    def chunks(self) -> Iterator[bytes]:
        self._file.seek(self._begin)
        yield from _exactly(self._file, self._size, _name(self._file))


class _Pieces:
    """Pieces that come as they are asked for; a plain iterator gives them once."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = pieces
        self._begun = False
        self.repeatable = iter(pieces) is not pieces

    @property
    def size(self) -> int | None:
        return None

    def chunks(self) -> Iterator[bytes]:
        if self._begun and not self.repeatable:
            raise ValueError("this source can be read only once")
        self._begun = True
        for piece in self._pieces:
            given: object = piece
            if not isinstance(given, bytes | bytearray | memoryview):
                raise ValueError(f"a file is made of bytes, not of {_kind(given)}")
            yield bytes(given)


def _opened(file: BinaryIO) -> Body:
    name = _name(file)
    probe: object = file.read(0)
    if isinstance(probe, str):
        raise ValueError(f"{name}: open it in binary mode ('rb')")
    try:
        begin = file.tell() if file.seekable() else None
    except (AttributeError, OSError):
        begin = None
    return _Pieces(_blocks(file)) if begin is None else _Opened(file, begin)


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    while piece := file.read(PIECE):
        yield piece


class _Reads(Protocol):
    @property
    def read(self) -> Callable[[int], Any]:
        """Some bytes, at most so many; nothing at the end."""


def _exactly(file: _Reads, size: int, name: str) -> Iterator[bytes]:
    left = size
    while left:
        piece = file.read(min(PIECE, left))
        if not piece:
            raise OSError(f"{name}: became shorter while it was sent ({size - left} bytes instead of {size})")
        left -= len(piece)
        yield piece


def _name(file: object) -> str:
    name = getattr(file, "name", None)
    return name if isinstance(name, str) else f"<{_kind(file)}>"


def _kind(value: object) -> str:
    return type(value).__name__
