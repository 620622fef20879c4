"""Files that are named on the command line; loads little, since `dev` looks at them before it starts anything."""

from __future__ import annotations

from pathlib import Path

from avtomatika_client.protocol.errors import AvtomatikaError


class LoadError(AvtomatikaError):
    """The file cannot be served; the message says what to do, in one line."""


def present(path: str) -> Path:
    """The file of that path.

    Raises:
        LoadError: There is none.
    """
    file = Path(path).resolve()
    if file.is_dir():
        raise LoadError(f"{path} is a folder: name a Python file in it")
    if not file.is_file():
        raise LoadError(f"{path}: no such file")
    return file
