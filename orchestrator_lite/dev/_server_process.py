"""The server of `dev`, in a process of its own: loads the files, waits for its turn, serves."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from avtomatika_client.protocol.errors import AvtomatikaError
from avtomatika_client.protocol.jobs import FINAL_STATUSES
from orchestrator_lite import Orchestrator, Settings
from orchestrator_lite._binding import lend
from orchestrator_lite._cli._loop import fast_loop
from orchestrator_lite._cli._options import UsageError, settings_of
from orchestrator_lite._loading import NO_BLUEPRINT, LoadError, defined, load_file, unique
from orchestrator_lite.blueprint import Blueprint
from orchestrator_lite.dev._example import served
from orchestrator_lite.dev._leash import Leash
from orchestrator_lite.dev._logs import show_logs
from orchestrator_lite.dev._modules import import_fresh, own_folders
from orchestrator_lite.dev._orders import Broken, Fatal, Loaded, Ready
from orchestrator_lite.dev._server_options import ServerOptions
from orchestrator_lite.store import Store, StoreError, open_store

FOLDER: Final = ".orchestrator-lite"


@dataclass(frozen=True, slots=True)
class _Place:
    """Where jobs and journals are."""

    url: str
    state: Path


def main() -> None:
    """Serve as the arguments say; every end but an error of ours is told to the parent."""
    leash = Leash.of(sys.argv[1])
    options = ServerOptions.decode(sys.argv[2])
    show_logs()
    try:
        settings = settings_of({"host": options.host, "port": options.port, "store": options.store})
        place = _place(options, settings)
        durability = settings.durability if "durability" in settings.model_fields_set else "process"
        store = open_store(place.url, durability=durability)
        orchestrator = _loaded(leash, options, settings, place, store)
        if orchestrator is None:
            return
        leash.go()
        with asyncio.Runner(loop_factory=fast_loop()) as runner:
            runner.run(_serve(leash, orchestrator, store, place, settings.host))
    except AvtomatikaError as error:
        leash.say(Fatal(str(error)))


def _loaded(
    leash: Leash, options: ServerOptions, settings: Settings, place: _Place, store: Store
) -> Orchestrator | None:
    import_fresh(options.files)
    try:
        blueprints = _blueprints(options.files)
        orchestrator = Orchestrator(blueprints, store=store, settings=settings)
    except AvtomatikaError as error:
        leash.say(Broken(str(error), own_folders(options.files)))
        return None
    leash.say(
        Loaded(
            own_folders(options.files),
            host=settings.host,
            port=settings.port,
            token=orchestrator.worker_token,
            state=str(place.state),
            blueprints=[served(blueprint) for blueprint in blueprints],
        )
    )
    return orchestrator


def _blueprints(files: list[str]) -> list[Blueprint]:
    """Those of all files: beside files with blueprints there may be some with workers alone."""
    found = unique(blueprint for file in files for blueprint in defined(load_file(file), Blueprint))
    if not found:
        raise LoadError(f"{' and '.join(files)} {NO_BLUEPRINT}")
    return found


def _place(options: ServerOptions, settings: Settings) -> _Place:
    if settings.store == "memory" and "store" in settings.model_fields_set:
        return _Place(f"sqlite:///{Path(options.scratch) / 'dev.db'}", Path(options.scratch))
    folder = Path(options.files[0]).resolve().parent / FOLDER
    if "store" in settings.model_fields_set:
        return _Place(settings.store, folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        ignored = folder / ".gitignore"
        if not ignored.exists():
            ignored.write_text("*\n")
    except OSError as error:
        raise UsageError(
            f"cannot keep jobs in {folder} ({error.strerror}): choose another place with --store sqlite:///PATH,"
            " or --store memory"
        ) from error
    return _Place(f"sqlite:///{folder / 'dev.db'}", folder)


async def _serve(leash: Leash, orchestrator: Orchestrator, store: Store, place: _Place, host: str) -> None:
    stop = asyncio.Event()
    leash.listen(lambda _: stop.set())
    door = leash.door
    if door is None:
        raise StoreError("the server was sent without its socket")
    port = door.getsockname()[1]
    lend(host, port, door)
    async with orchestrator.listening(port=port, host=host):
        counts = await store.counts()
        unfinished = sum(number for status, number in counts.jobs.items() if status not in FINAL_STATUSES)
        leash.say(Ready(orchestrator.is_development, place.url, unfinished))
        await stop.wait()


if __name__ == "__main__":
    main()
