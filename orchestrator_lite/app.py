"""`Orchestrator`: the server as one object, in-process or listening."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from avtomatika_client.protocol import headers
from avtomatika_client.protocol.clock import SYSTEM_CLOCK, Clock
from avtomatika_client.protocol.errors import AvtomatikaError
from orchestrator_lite._listening import GRACE, listening
from orchestrator_lite.access import Access, is_loopback
from orchestrator_lite.api._app import collides, front_of
from orchestrator_lite.api._front import App
from orchestrator_lite.api._site import Site
from orchestrator_lite.blueprint import Blueprint
from orchestrator_lite.egress.guard import Egress
from orchestrator_lite.engine.state import Client
from orchestrator_lite.files._chosen import files_of
from orchestrator_lite.runtime.blueprints import Blueprints
from orchestrator_lite.runtime.core import Core
from orchestrator_lite.runtime.timekeeper import LATEST
from orchestrator_lite.schedules import FileSchedule, SchedulesFileError, read_schedules
from orchestrator_lite.settings import Settings
from orchestrator_lite.store import Store, open_store

if TYPE_CHECKING:
    from avtomatika_client._calls._retry import Retry
    from avtomatika_client._seam import AsyncTransport
    from avtomatika_worker import Worker
    from orchestrator_lite.testing._faults.faults import Faults
    from orchestrator_lite.testing._inside import InsideClient, InsideWorkers

log = logging.getLogger("orchestrator_lite")


class NotRunningError(AvtomatikaError):
    """The orchestrator is not running: use `async with orchestrator:` first."""


class Orchestrator:
    """A real orchestrator.

    Args:
        blueprints: What it serves; `add` takes more while it runs.
        store: `memory`, `sqlite:///path`, or a Store; default: the settings'.
        settings: Everything else; default: the environment's.
        clock: The time it goes by.

    Raises:
        BlueprintError: A blueprint is wrong; file and line come first.
        StoreError: The store's address is not understood.
    """

    def __init__(
        self,
        blueprints: Iterable[Blueprint] = (),
        *,
        store: str | Store | None = None,
        settings: Settings | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.settings = settings or Settings()
        self._clock = clock
        self._faults: Faults | None = None
        self._site = Site(settings=self.settings, blueprints=Blueprints(collides))
        self._front = front_of(self._site)
        for blueprint in blueprints:
            self.add(blueprint)
        self._store_url = self.settings.store if store is None else store
        self._store = self._opened(self._store_url)
        self._look_again = LATEST
        self._keeps_house = True
        self._egress = Egress(self.settings.egress_allow, clock=clock)
        self.guests: dict[InsideClient | InsideWorkers, None] = {}
        """The clients and workers inside this process just now, in the order they came."""
        self._url: str | None = None

    def add(self, blueprint: Blueprint) -> None:
        """Serve a blueprint from now on.

        Raises:
            BlueprintError: It is wrong in itself, or its name or endpoint is taken; file and line come first.
        """
        self._site.blueprints.add(blueprint)
        if self._site.core is not None:
            self._site.core.adopt(blueprint)

    @property
    def url(self) -> str:
        """Where it listens.

        Raises:
            NotRunningError: It does not listen.
        """
        if self._url is None:
            raise NotRunningError("the orchestrator does not listen: use `async with orchestrator.listening():`")
        return self._url

    @property
    def asgi(self) -> App:
        """The application for any ASGI server; it starts and stops with the server's lifespan.

        Raises:
            AccessError: No credentials are set and `Settings(development=True)` was not given: it cannot know where
                it is bound.
        """
        self._site.access = Access(self.settings, loopback=None, clock=self._clock)
        return _with_lifespan(self, self._front)

    @asynccontextmanager
    async def listening(
        self, port: int | None = None, host: str | None = None, *, grace: float = GRACE
    ) -> AsyncIterator[Self]:
        """Run behind a real socket.

        Args:
            port: Where to listen; 0 takes a free port; default: the settings'.
            host: Address; default: the settings'.
            grace: Seconds that open requests get to end by themselves when it stops; held polls are answered at once.

        Raises:
            AccessError: Bound to more than this machine without credentials.
            ListenError: The address cannot be bound.
            StoreError: The store cannot be opened.
            SchedulesFileError: There is something wrong with `schedules.toml`.
        """
        address = self.settings.host if host is None else host
        access = Access(self.settings, loopback=is_loopback(address), clock=self._clock)
        async with self._running(access) as core:
            wanted = self.settings.port if port is None else port
            async with listening(self._front, address, wanted, before_stop=core.let_go, grace=grace) as url:
                self._url = core.files.base_url = url
                try:
                    yield self
                finally:
                    self._url = None

    async def __aenter__(self) -> Self:
        """Run in this process, without a socket."""
        await self._start(Access(self.settings, loopback=True, clock=self._clock))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        await self._stop()

    def client(
        self, *, client_token: str | None = None, timeout: float | None = 30.0, retries: int | Retry = 2
    ) -> InsideClient:
        """A client in this process: `async with orchestrator.client() as client:` gives an `AsyncClient`.

        Args:
            client_token: Default: the server's own.
            timeout: Seconds a call may take in all; None: without end.
            retries: Repetitions of a failed call, or a policy.
        """
        from orchestrator_lite.testing._inside import InsideClient

        return InsideClient(self, client_token=client_token, timeout=timeout, retries=retries)

    def working(self, *workers: Worker, grace: float = 5.0) -> InsideWorkers:
        """Workers in this process: `async with orchestrator.working(worker):`.

        They keep their journals in memory, use no thread for heartbeats and touch no file, port or signal.

        Args:
            workers: What to run; one definition may run in any number of places.
            grace: Seconds tasks may still run when the block ends.
        """
        from orchestrator_lite.testing._inside import InsideWorkers

        return InsideWorkers(self, *workers, grace=grace)

    async def ready(self) -> Clock:
        """The time everybody inside goes by.

        Raises:
            NotRunningError: It does not run.
        """
        if self._site.core is None:
            raise NotRunningError("the orchestrator does not run: use `async with orchestrator:` around this")
        return self._clock

    def connect(self) -> AsyncTransport:
        """A connection to it that needs no socket."""
        from orchestrator_lite.testing._memory.transport import AsgiTransport

        return AsgiTransport(self._front, self._clock, faults=self._faults)

    @property
    def is_development(self) -> bool:
        """Whether the development tokens hold; known once it runs."""
        return self._site.access is not None and self._site.access.development

    @property
    def client_token(self) -> str:
        """A token clients may send: the one set, else that of development mode."""
        token = self.settings.client_token
        return headers.DEV_CLIENT_TOKEN if token is None else token.get_secret_value()

    @property
    def worker_token(self) -> str:
        """A token workers may send: the one set, else that of development mode."""
        token = self.settings.worker_token
        return headers.DEV_WORKER_TOKEN if token is None else token.get_secret_value()

    @asynccontextmanager
    async def _running(self, access: Access) -> AsyncIterator[Core]:
        core = await self._start(access)
        try:
            yield core
        finally:
            await self._stop()

    async def _start(self, access: Access) -> Core:
        core = Core(
            self._store,
            self._clock,
            self._site.blueprints,
            handler_limit=self.settings.handler_time_limit,
            look_again=self._look_again,
            files=files_of(self.settings, self._store_url, self._clock),
            egress=self._egress,
            retention=self.settings.retention if self._keeps_house else None,
            secret_of=lambda client: access.webhook_secret(client) or self._webhook_secret,
        )
        await core.start(self._of_file(access))
        try:
            await access.open(self._store)
        except BaseException:
            await core.stop()
            raise
        self._site.core, self._site.access = core, access
        return core

    async def _stop(self) -> None:
        core, self._site.core = self._site.core, None
        if core is not None:
            if self._site.access is not None:
                await self._site.access.close()
            await core.stop()

    @property
    def _webhook_secret(self) -> str | None:
        secret = self.settings.webhook_secret
        return None if secret is None else secret.get_secret_value()

    def _of_file(self, access: Access) -> list[tuple[FileSchedule, Client]]:
        """The schedules of the file, and whose they are."""
        path = self.settings.schedules_file
        found = [] if path is None else read_schedules(path, self.settings.timezone)
        owned = []
        for one in found:
            said, owner = one.definition, access.owner(one.client)
            if owner is None:
                raise SchedulesFileError(f"{path}: {said.name}.client: there is no client {one.client!r}")
            if self._site.blueprints.named(said.blueprint) is None:
                log.warning("%s: %r: blueprint %r is not loaded", path, said.name, said.blueprint)
            owned.append((one, owner))
        return owned

    def _opened(self, store: str | Store) -> Store:
        if isinstance(store, str):
            return open_store(store, durability=self.settings.durability)
        return store


def _with_lifespan(orchestrator: Orchestrator, app: App) -> App:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            await app(scope, receive, send)
            return
        await receive()
        access = orchestrator._site.access  # noqa: SLF001 - the other half of `asgi`
        assert access is not None  # noqa: S101 - it has set it
        try:
            async with orchestrator._running(access) as core:  # noqa: SLF001
                await send({"type": "lifespan.startup.complete"})
                await receive()
                core.let_go()
        except AvtomatikaError as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send({"type": "lifespan.shutdown.complete"})

    return application
