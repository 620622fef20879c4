"""`orchestrator-lite backup`: a copy of a store, made beside the server that runs on it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from orchestrator_lite._cli._options import settings_of
from orchestrator_lite.store import StoreError, back_up_store


def back_up(target: Path, given: Mapping[str, object]) -> str:
    """Copy the store of the settings to `target`; says what has been made.

    Raises:
        AvtomatikaError: A setting makes no sense.
        StoreError: There is no such store, the target exists or cannot be written.
    """
    store = settings_of(given).store
    if store == "memory":
        raise StoreError("A store in memory ends with its server: name the server's with --store sqlite:///path.")
    back_up_store(store, target)
    return f"{target}: {target.stat().st_size:,} bytes; start a server on it with --store sqlite:///{target}"
