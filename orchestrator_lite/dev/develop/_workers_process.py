"""The workers of `dev`, in a process of their own: loads the files, waits for its turn, works for the server."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Final

from avtomatika_client.protocol.clock import SYSTEM_CLOCK
from avtomatika_client.protocol.errors import AvtomatikaError
from avtomatika_worker import Worker
from avtomatika_worker._definition import Definition, RunOptions
from avtomatika_worker._run import Run, default_transport
from avtomatika_worker._settings import Target
from avtomatika_worker.errors import IdentityTakenError
from orchestrator_lite._cli._loop import fast_loop
from orchestrator_lite._loading import defined, load_file, unique
from orchestrator_lite.dev.develop._leash import Leash
from orchestrator_lite.dev.develop._logs import show_logs
from orchestrator_lite.dev.develop._modules import import_fresh, own_folders
from orchestrator_lite.dev.develop._orders import Broken, Fatal, Go, Loaded, Message, Offered, Ready, Stop

TASKS_SECONDS: Final = 2.0
"""How long running tasks may go on when everything ends; after a reload they have as long as they have in any drain."""
_AGAIN_SECONDS: Final = 0.2


def main() -> None:
    """Run every Worker of the files that the arguments name."""
    leash = Leash.of(sys.argv[1])
    files = leash.load().files
    show_logs()
    import_fresh(files)
    try:
        workers = unique(worker for file in files for worker in defined(load_file(file), Worker))
    except AvtomatikaError as error:
        leash.say(Broken(str(error), own_folders(files)))
        return
    leash.say(Loaded(own_folders(files), workers=[_offered(worker) for worker in workers]))
    if not workers:
        return
    default_transport()  # its libraries are loaded while the server is still loading, not when it waits for us
    go = leash.go()
    os.environ["AVTOMATIKA_STATE_DIR"] = go.state
    try:
        with asyncio.Runner(loop_factory=fast_loop()) as runner:
            runner.run(_Workers([worker.definition() for worker in workers], go, leash).work())
    except* AvtomatikaError as errors:
        leash.say(Fatal(str(errors.exceptions[0])))


def _offered(worker: Worker) -> Offered:
    schemas = [skill.input_schema for skill in worker.skills]
    return Offered(worker.worker_type, [skill.name for skill in worker.skills], [one for one in schemas if one])


class _Workers:
    """All of them on one loop, from `Go` to the end."""

    def __init__(self, definitions: list[Definition], go: Go, leash: Leash) -> None:
        self._definitions = definitions
        self._options = RunOptions(targets=(Target(go.url, go.token),))
        self._leash = leash
        self._runs: list[Run] = []
        self._stop = asyncio.Event()
        self._waiting = len(definitions)
        self._ending = False

    async def work(self) -> None:
        """Work until told to drain or to stop."""
        self._leash.listen(self._obey)
        async with asyncio.TaskGroup() as group:
            hurrying = group.create_task(self._hurry_after_stop())
            async with asyncio.TaskGroup() as running:
                for definition in self._definitions:
                    running.create_task(self._run(definition))
            hurrying.cancel()

    def _obey(self, order: Message) -> None:
        for run in self._runs:
            run.request_stop()
        self._ending = True
        if isinstance(order, Stop):
            self._stop.set()

    async def _hurry_after_stop(self) -> None:
        await self._stop.wait()
        await SYSTEM_CLOCK.sleep(TASKS_SECONDS)
        for run in self._runs:
            run.hurry()

    async def _run(self, definition: Definition) -> None:
        """One worker; after a reload the process before may have its identity until its tasks have ended."""
        while not self._ending:
            run = Run(definition, self._options)
            self._runs.append(run)
            registering = asyncio.create_task(self._registered(run))
            try:
                await run.serve()
                return
            except IdentityTakenError:
                await SYSTEM_CLOCK.sleep(_AGAIN_SECONDS)
            finally:
                self._runs.remove(run)
                registering.cancel()
                await asyncio.gather(registering, return_exceptions=True)

    async def _registered(self, run: Run) -> None:
        await run.started.wait()
        for link in run.hub.links.values():
            await link.session.ready.wait()
        self._waiting -= 1
        if not self._waiting:
            self._leash.say(Ready())


if __name__ == "__main__":
    main()
