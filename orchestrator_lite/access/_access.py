"""`Access`: who may do what, as one server asks it."""

from __future__ import annotations

import asyncio
import secrets
from typing import Final

from pydantic import SecretStr

from avtomatika_client.protocol import headers
from avtomatika_client.protocol.clock import SYSTEM_CLOCK, Clock
from orchestrator_lite.access._clients import DEFAULT_CLIENT, Account, Clients, read_clients
from orchestrator_lite.access._errors import AccessError, Refused
from orchestrator_lite.access._lent import Lent
from orchestrator_lite.access._limits import Limits, Standing
from orchestrator_lite.access._origin import is_development
from orchestrator_lite.access._people import People
from orchestrator_lite.access._quotas import Quotas
from orchestrator_lite.access._workers import UNKNOWN, Badge, WorkerTokens, read_workers
from orchestrator_lite.engine.state import Client
from orchestrator_lite.settings import Settings
from orchestrator_lite.store import Store

GUESSABLE: Final = 16
"""A token with fewer characters could be guessed: from an address that sends wrong ones it waits as they do."""

_KEY_NOTE: Final = "secret/jwt"
_KEY_BYTES: Final = 32


class Access:
    """Credentials of clients, workers and people, their limits and quotas.

    Args:
        settings: Where the credentials are, or the files that hold them.
        loopback: Whether the server is bound to a loopback address; None where that is not known (`.asgi`).
        clock: The time limits, quotas and tokens go by.

    Attributes:
        development: Whether the credentials of development mode hold.
        workers: What workers may send.
        people: The users.
        lent: Access tokens of workers.
        quotas: What clients have used of theirs.
        limits: The rate limits.

    Raises:
        AccessError: Credentials are missing and development mode is not on, or some cannot be read.
    """

    def __init__(self, settings: Settings, *, loopback: bool | None, clock: Clock = SYSTEM_CLOCK) -> None:
        self._settings = settings
        self._clock = clock
        self.development = is_development(settings, loopback=loopback)
        self._clients = self._read_clients()
        self.workers = self._read_workers()
        if not len(self._clients) or not len(self.workers):
            raise AccessError(
                "set both ORCHESTRATOR_LITE_CLIENT_TOKEN and ORCHESTRATOR_LITE_WORKER_TOKEN (or a file of clients, or"
                " of workers): one is missing"
            )
        self.limits = Limits(settings, clock)
        self.lent = Lent(clock)
        self.quotas = Quotas(clock, self._clients.quotas())
        self.people = People(
            settings.users, lifetime=settings.token_lifetime, clock=clock, development=self.development
        )

    async def open(self, store: Store) -> None:
        """Take up what lies in the store: quotas, and what tokens are signed with.

        Raises:
            StoreError: The store cannot be used.
        """
        await self.quotas.open(store)
        given = self._settings.jwt_secret
        key = await _kept_key(store) if given is None else given.get_secret_value().encode()
        self.people.sign_with(key)
        self.lent.sign_with(key)

    async def close(self) -> None:
        """Write what is left; the store is still open."""
        await self.quotas.close()

    async def client(self, token: bytes | None, address: str | None) -> tuple[Client, Standing]:
        """The client a token belongs to, and how it stands with its rate limit.

        Args:
            token: What was sent.
            address: Where the request comes from.

        Raises:
            Refused: 401, in the words of the releases; 429.
        """
        if token is None:
            standing = await self.limits.stranger(address)
            raise Refused(401, "Missing X-Client-Token header", standing.headers())
        client = self._clients.holder(token)
        if client is None or await self._suspected(token, address):
            raise await self._wrong(address, "Unauthorized: Invalid token")
        return client, await self.limits.client(client.name, address)

    def is_still(self, client: Client, token: bytes) -> bool:
        """Whether a token is that of a client to this day: answers that go on ask again."""
        holder = self._clients.holder(token)
        return holder is not None and holder.name == client.name

    async def worker(self, token: bytes | None, address: str | None, worker_id: str | None) -> Badge:
        """Let a worker in.

        Args:
            token: What was sent.
            address: Where the request comes from.
            worker_id: The worker that path or headers name; routes judge what a body says by `workers.check`.

        Raises:
            Refused: 401, in the words of the releases: it makes official workers renew their token; 429.
        """
        if token is None:
            raise Refused(401, "Missing X-Worker-Token header or client certificate")
        try:
            badge = await self._badge(token, worker_id)
        except Refused as refused:
            raise await self._wrong(address, str(refused)) from None
        if await self._suspected(token, address):
            raise await self._wrong(address, self.workers.refusal(worker_id))
        await self.limits.worker(worker_id or "")
        return badge

    def owner(self, name: str | None) -> Client | None:
        """The client that a schedule of the file names, or that those have which name none."""
        return self._clients.named(name)

    def webhook_secret(self, client: str) -> str | None:
        """What the webhooks of a client are signed with; None: it has no secret of its own."""
        return self._clients.webhook_secret(client)

    async def reload_clients(self) -> None:
        """Read the file of clients again.

        Raises:
            AccessError: It means nothing; what was read before holds on.
        """
        with self._clock.hold():
            clients = await asyncio.to_thread(self._read_clients)
        self._clients = clients
        self.quotas.set(clients.quotas())

    async def reload_workers(self) -> set[str]:
        """Read the file of workers again; gives the workers whose tokens have changed.

        Raises:
            AccessError: It means nothing; what was read before holds on.
        """
        with self._clock.hold():
            workers = await asyncio.to_thread(self._read_workers)
        before, self.workers = self.workers, workers
        return before.changed(workers)

    async def _badge(self, token: bytes, worker_id: str | None) -> Badge:
        workers = self.workers
        badge = workers.badge(token)
        if badge is UNKNOWN:
            owner = await self.lent.holder(token, workers)
            if owner is None:
                raise Refused(401, workers.refusal(worker_id))
            if worker_id not in (None, owner):
                said = f"Unauthorized: Access Token belongs to '{owner}', but request is for '{worker_id}'"
                raise Refused(401, said)
            return frozenset({owner})
        if worker_id is not None:
            workers.check(badge, worker_id)
        return badge

    async def _suspected(self, token: bytes, address: str | None) -> bool:
        return len(token) < GUESSABLE and await self.limits.suspected(address)

    async def _wrong(self, address: str | None, message: str) -> Refused:
        try:
            await self.limits.failed(address)
            standing = await self.limits.stranger(address)
        except Refused as refused:
            return refused
        return Refused(401, message, standing.headers())

    def _read_clients(self) -> Clients:
        token, own = self._settings.client_token, None
        if token is not None:
            own = Account(client=Client(name=DEFAULT_CLIENT), token=token)
        elif self.development:
            own = Account(client=Client(name="dev"), token=SecretStr(headers.DEV_CLIENT_TOKEN))
        return read_clients(self._settings.clients_file, own)

    def _read_workers(self) -> WorkerTokens:
        token = self._settings.worker_token
        common = headers.DEV_WORKER_TOKEN if self.development else None
        return read_workers(self._settings.workers_file, common if token is None else token.get_secret_value())


async def _kept_key(store: Store) -> bytes:
    """The key that tokens were signed with before; a new one at the first start."""
    kept = (await store.notes(_KEY_NOTE)).get(_KEY_NOTE)
    if kept is None:
        kept = secrets.token_hex(_KEY_BYTES).encode()
        await store.put_notes({_KEY_NOTE: kept})
    return kept
