"""From the text of `--store` to a store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator_lite.store._interface import Store
from orchestrator_lite.store._rows import StoreError

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator_lite.store._schema import Durability

_SQLITE = "sqlite:///"
_SUPPORTED = "supported are memory, sqlite:///relative.db and sqlite:////absolute.db"


def back_up_store(url: str, target: Path) -> None:
    """Copy the store that a URL names to a new file, whether or not a server is running on it.

    Args:
        url: `sqlite:///relative.db` or `sqlite:////absolute.db`.
        target: The file to make.

    Raises:
        StoreError: There is no such store in a file, the target exists or cannot be written.
    """
    path = _path_of(url)
    if path is None:
        raise StoreError("A store in memory can only be copied by the server that has it.")
    from orchestrator_lite.store import _backup

    _backup.copy(path, str(target))


def open_store(url: str, *, durability: Durability = "power", inline: bool = False) -> Store:
    """The store that a URL names, not yet opened.

    Args:
        url: `memory`, `sqlite:///relative.db` or `sqlite:////absolute.db`.
        durability: What the answer to a write promises; see `SqliteStore`.
        inline: Without a thread; see `SqliteStore`.

    Raises:
        StoreError: The URL names no store that is supported; the text lists them.
    """
    path = _path_of(url)
    if durability not in ("power", "process"):
        raise StoreError(f"No durability is called {durability!r}: choose power or process.")
    # SQLite is loaded when a store is wanted, not when its interface is imported.
    from orchestrator_lite.store.sqlite import SqliteStore

    return SqliteStore(path, durability=durability, inline=inline)


def _path_of(url: str) -> str | None:
    """The file that a URL names; None: in memory."""
    if url == "memory":
        return None
    if url.startswith(_SQLITE) and len(url) > len(_SQLITE):
        return url.removeprefix(_SQLITE)
    # Other stores' URLs carry passwords, so only the scheme is repeated.
    raise StoreError(f"No store is known for {url.partition(':')[0]!r}: {_SUPPORTED}.")
