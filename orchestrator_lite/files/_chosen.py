"""Which place the settings choose for files."""

from __future__ import annotations

from pathlib import Path

from avtomatika_client.protocol.clock import Clock
from orchestrator_lite.files._bucket import Bucket
from orchestrator_lite.files._folder import Folder
from orchestrator_lite.files._place import Place
from orchestrator_lite.files._storage import Files
from orchestrator_lite.settings import FILES_OFF, S3, Settings

_SQLITE = "sqlite:///"


def files_of(settings: Settings, store: object, clock: Clock) -> Files:
    """The files of a server.

    Args:
        settings: What was set.
        store: Where its jobs are kept: the files lie beside a database, unless another place is set.
        clock: The time it goes by.
    """
    on = settings.files != FILES_OFF
    return Files(_place(settings, store, clock), on=on, clock=clock, public_url=settings.public_url)


def _place(settings: Settings, store: object, clock: Clock) -> Place:
    where = None if settings.files == FILES_OFF else settings.files
    if isinstance(where, str) and where.startswith(S3):
        return Bucket(settings, clock=clock)
    folder = None if where is None else Path(where)
    if folder is None and isinstance(store, str) and store.startswith(_SQLITE):
        folder = Path(store.removeprefix(_SQLITE) + ".files")
    return Folder(folder, eager=where is not None, clock=clock, durable=settings.durability == "power")
