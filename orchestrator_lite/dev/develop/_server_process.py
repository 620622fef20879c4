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
from orchestrator_lite._binding import ListenError, lend
from orchestrator_lite._cli._loop import fast_loop
from orchestrator_lite._cli._options import UsageError, settings_of
from orchestrator_lite._given import LoadError
from orchestrator_lite._loading import NO_BLUEPRINT, defined, load_file, unique
from orchestrator_lite.blueprint import Blueprint, BlueprintError
from orchestrator_lite.dev.develop._example import served
from orchestrator_lite.dev.develop._leash import Leash
from orchestrator_lite.dev.develop._logs import show_logs
from orchestrator_lite.dev.develop._modules import import_fresh, own_folders
from orchestrator_lite.dev.develop._orders import Broken, Fatal, Loaded, Ready
from orchestrator_lite.dev.develop._server_options import ServerOptions
from orchestrator_lite.store import Store, open_store

FOLDER: Final = ".orchestrator-lite"


@dataclass(frozen=True, slots=True)
class _Place:
    """Where jobs and journals are."""

    url: str
    state: Path


@dataclass(frozen=True, slots=True)
class _Site:
    """What is served, and where its jobs are."""

    orchestrator: Orchestrator
    store: Store
    url: str


def main() -> None:
    """Serve as the arguments say; what goes wrong is told to the parent."""
    leash = Leash.of(sys.argv[1])
    options = leash.load()
    show_logs()
    import_fresh(options.files)
    try:
        settings = settings_of(options.given)
        site = _site(leash, options, settings)
        if site is None:
            return
        leash.go()
        with asyncio.Runner(loop_factory=fast_loop()) as runner:
            runner.run(_serve(leash, site))
    except AvtomatikaError as error:
        leash.say(Fatal(str(error)))


def _site(leash: Leash, options: ServerOptions, settings: Settings) -> _Site | None:
    """What the files define, ready to be served; None, and the parent knows why, if they cannot be loaded."""
    try:
        blueprints = _blueprints(options.files)
    except AvtomatikaError as error:
        leash.say(Broken(str(error), own_folders(options.files)))
        return None
    place = _place(options, settings)
    durability = settings.durability if "durability" in settings.model_fields_set else "process"
    store = open_store(place.url, durability=durability)
    try:
        orchestrator = Orchestrator(blueprints, store=store, settings=settings)
    except BlueprintError as error:
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
    return _Site(orchestrator, store, place.url)


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
        folder.mkdir(exist_ok=True)
        ignored = folder / ".gitignore"
        if not ignored.exists():
            ignored.write_text("*\n")
    except OSError as error:
        raise UsageError(
            f"cannot keep jobs in {folder} ({error.strerror}): choose another place with --store sqlite:///PATH,"
            " or --store memory"
        ) from error
    return _Place(f"sqlite:///{folder / 'dev.db'}", folder)


async def _serve(leash: Leash, site: _Site) -> None:
    stop = asyncio.Event()
    leash.listen(lambda _: stop.set())
    door = leash.door
    if door is None:
        raise ListenError("the server was sent without its socket")
    host, port = site.orchestrator.settings.host, door.getsockname()[1]
    lend(host, port, door)
    async with site.orchestrator.listening(port=port, host=host):
        counts = await site.store.counts()
        unfinished = sum(number for status, number in counts.jobs.items() if status not in FINAL_STATUSES)
        leash.say(Ready(site.orchestrator.is_development, site.url, unfinished))
        await stop.wait()


if __name__ == "__main__":
    main()
