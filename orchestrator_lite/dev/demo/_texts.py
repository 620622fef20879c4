"""The demo's input: text files, checked before anything is started."""

from __future__ import annotations

import builtins
import codecs
import os
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LARGEST = 1024**3
"""Of a file, in bytes."""
_PIECE = 1024**2


class DemoInputError(Exception):
    """A file that cannot be counted; the message is one line and names it."""


@dataclass(frozen=True, slots=True)
class Text:
    """A file's name as it was given, and where it is."""

    name: str
    path: Path


def checked_texts(files: Sequence[Path]) -> list[Text]:
    """Look through the files, which must be UTF-8 text, a piece at a time.

    Raises:
        DemoInputError: One is missing, a directory, unreadable, empty, too large or not text.
    """
    for file in files:
        try:
            _check(file)
        except OSError as error:
            raise unreadable(file, error) from error
    return [Text(str(file), file) for file in files]


def unreadable(file: Path, error: Exception) -> DemoInputError:
    """The error for a file that could not be read."""
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error).removeprefix(f"{file}: ")
    return DemoInputError(f"{file}: cannot be read: {reason}")


def _check(file: Path) -> None:
    if file.is_dir():
        raise DemoInputError(f"{file}: is a directory; name the files in it")
    if not file.exists():
        raise DemoInputError(f"{file}: there is no such file")
    if not file.is_file():
        raise DemoInputError(f"{file}: is not a regular file")
    if (size := file.stat().st_size) > LARGEST:
        raise DemoInputError(f"{file}: is too large ({size} bytes; the demo takes up to {LARGEST})")
    if not any([not piece.isspace() for piece in _decoded(file, size)]):  # noqa: C419 - all of it is looked at
        raise DemoInputError(f"{file}: is empty")


def _decoded(file: Path, size: int) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    with file.open("rb") as content:
        while True:
            begin = content.tell() - len(decoder.getstate()[0])
            piece = content.read(_PIECE)
            try:
                text = decoder.decode(piece, final=not piece)
            except UnicodeDecodeError as error:
                raise DemoInputError(f"{file}: is not UTF-8 text (byte {begin + error.start} of {size})") from error
            if "\0" in text:
                raise DemoInputError(f"{file}: is not text (it holds zero bytes)")
            if text:
                yield text
            if not piece:
                return


def licence_file() -> Path:
    """The licence text that ships with the running interpreter; its `os` module's source where there is none."""
    return next((file for file in _licence_candidates() if file.is_file()), Path(os.__file__))


def _licence_candidates() -> Iterator[Path]:
    yield Path(sysconfig.get_path("stdlib")) / "LICENSE.txt"
    # What `license()` at the prompt shows; the attribute is private, hence only a candidate.
    named = getattr(getattr(builtins, "license", None), "_Printer__filenames", ())
    yield from (file for file in map(Path, named) if file.is_absolute())
    yield from (Path(sys.base_prefix) / name for name in ("LICENSE.txt", "LICENSE"))
