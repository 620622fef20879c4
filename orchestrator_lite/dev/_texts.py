"""The demo's input: text files, checked before anything is started."""

from __future__ import annotations

import builtins
import os
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LARGEST = 12 * 1024 * 1024
"""Of a file, in bytes."""
LARGEST_BODY = 6 * LARGEST + 4096
"""Of a request, in bytes: JSON may take six for one."""


class DemoInputError(Exception):
    """A file that cannot be counted; the message is one line and names it."""


@dataclass(frozen=True, slots=True)
class Text:
    """A file's name as it was given, and what it says."""

    name: str
    text: str


def read_texts(files: Sequence[Path]) -> list[Text]:
    """Read the files, which must be UTF-8 text.

    Raises:
        DemoInputError: One is missing, a directory, unreadable, empty, too large or not text.
    """
    return [_read(file) for file in files]


def _read(file: Path) -> Text:
    try:
        content = _content(file)
    except OSError as error:
        raise DemoInputError(f"{file}: cannot be read: {error.strerror or error}") from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DemoInputError(f"{file}: is not UTF-8 text (byte {error.start} of {len(content)})") from error
    if "\0" in text:
        raise DemoInputError(f"{file}: is not text (it holds zero bytes)")
    if not text.strip():
        raise DemoInputError(f"{file}: is empty")
    return Text(str(file), text)


def _content(file: Path) -> bytes:
    if file.is_dir():
        raise DemoInputError(f"{file}: is a directory; name the files in it")
    if not file.exists():
        raise DemoInputError(f"{file}: there is no such file")
    if not file.is_file():
        raise DemoInputError(f"{file}: is not a regular file")
    if (size := file.stat().st_size) > LARGEST:
        raise DemoInputError(f"{file}: is too large ({size} bytes; the demo takes up to {LARGEST})")
    return file.read_bytes()


def licence_file() -> Path:
    """The licence text that ships with the running interpreter; its `os` module's source where there is none."""
    return next((file for file in _licence_candidates() if file.is_file()), Path(os.__file__))


def _licence_candidates() -> Iterator[Path]:
    yield Path(sysconfig.get_path("stdlib")) / "LICENSE.txt"
    # What `license()` at the prompt shows; the attribute is private, hence only a candidate.
    named = getattr(getattr(builtins, "license", None), "_Printer__filenames", ())
    yield from (file for file in map(Path, named) if file.is_absolute())
    yield from (Path(sys.base_prefix) / name for name in ("LICENSE.txt", "LICENSE"))
