"""People: their passwords as argon2 hashes, their tokens as JWT (seed 004; `spec/pipelines_and_flows.md` §2.2)."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final
from uuid import NAMESPACE_URL, uuid5

from pydantic import SecretStr

from avtomatika_client.protocol.clock import Clock
from orchestrator_lite.access._errors import AccessError, Refused
from orchestrator_lite.access._jwt import decoded, encoded
from orchestrator_lite.access._limits import TOO_MANY

if TYPE_CHECKING:
    from pwdlib import PasswordHash

DEV_USER: Final = "dev"
"""The user of development mode; the password is the same."""

DEV_HASH: Final = "$argon2id$v=19$m=65536,t=3,p=4$5xNWK0KkRz4GfSrXg2qyfg$U2U7lwjHWh9wwBW1V5SYo/2hUmVzxQzYB6qEjnx10do"
_AUDIENCE: Final = "people"
_AT_ONCE: Final = 2
"""Passwords that are checked at a time: each takes 64 MiB and a core for a while."""
_MOST_WAITING: Final = 64
"""People who wait for their turn; whoever comes then is told to come again."""


@dataclass(frozen=True, slots=True)
class User:
    """A person.

    Attributes:
        id: A UUID that follows from the name: the same after every start.
        name: What they sign in with.
    """

    id: str
    name: str


class People:
    """The users of the settings.

    Args:
        users: Argon2 hashes of their passwords by name.
        lifetime: Seconds a token is good for.
        clock: Whose seconds.
        development: Whether user `dev` with password `dev` is let in, too.

    Raises:
        AccessError: What is given for a password is no argon2 hash.
    """

    def __init__(
        self, users: Mapping[str, SecretStr], *, lifetime: float, clock: Clock, development: bool = False
    ) -> None:
        self._hashes = {name: _checked(name, secret.get_secret_value()) for name, secret in users.items()}
        if development:
            self._hashes.setdefault(DEV_USER, DEV_HASH)
        self._users = {user_id(name): User(user_id(name), name) for name in self._hashes}
        self.lifetime = int(lifetime)
        self._clock = clock
        self._key = b""
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0

    def sign_with(self, key: bytes) -> None:
        """Set what tokens are signed with, 32 bytes or more."""
        self._key = key

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for one's turn to have a password looked at.

        What is counted inside the block is known to all whose turn comes later: wrong passwords that arrive side by
        side are slowed as if they came one by one.

        Raises:
            Refused: 429: too many wait.
        """
        if self._waiting >= _MOST_WAITING:
            raise Refused(429, TOO_MANY, {"Retry-After": "1"})
        self._waiting += 1
        try:
            await self._turns.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._turns.release()

    async def sign_in(self, name: str, password: str) -> str | None:
        """A new token for whoever knows a user's password; None for everybody else, after just as long.

        To be called in one's `turn`.

        Args:
            name: The user's.
            password: In plain text; kept nowhere.
        """
        with self._clock.hold():
            return await asyncio.to_thread(self._signed_in, name, password, self._clock.now())

    async def holder(self, token: str) -> User | None:
        """The user whose token it is; None: it is none of ours, has expired, or the password has changed since."""
        claims = await decoded(token, self._key, _AUDIENCE, self._clock)
        user = None if claims is None else self._users.get(str(claims["sub"]))
        if claims is None or user is None or claims.get("pwd") != _mark(self._hashes[user.name]):
            return None
        return user

    def _signed_in(self, name: str, password: str, now: float) -> str | None:
        known = self._hashes.get(name)
        fits = _verified(password, known or next(iter(self._hashes.values()), DEV_HASH))
        return self._token(name, known, now) if fits and known is not None else None

    def _token(self, name: str, known: str, now: float) -> str:
        said = {"sub": user_id(name), "name": name, "pwd": _mark(known)}
        return encoded(said, self._key, _AUDIENCE, now=now, lifetime=self.lifetime)


def user_id(name: str) -> str:
    """The id of a user: follows from the name, so that it is the same on every server and after every start."""
    return str(uuid5(NAMESPACE_URL, f"orchestrator-lite:user:{name}"))


def hash_password(password: str) -> str:
    """The argon2 hash of a password, for the setting `users`."""
    return _hasher().hash(password)


def _mark(known: str) -> str:
    """What tells one password of a user from the next, and nothing else."""
    return hashlib.sha256(known.encode()).hexdigest()[:16]


def _verified(password: str, known: str) -> bool:
    return _hasher().verify(password, known)


def _checked(name: str, known: str) -> str:
    from argon2 import extract_parameters
    from argon2.exceptions import InvalidHash

    try:
        extract_parameters(known)
    except InvalidHash:
        raise AccessError(
            f"users: {name}: is no argon2 hash; `orchestrator-lite hash-password` makes one of a password"
        ) from None
    return known


@cache
def _hasher() -> PasswordHash:
    from pwdlib import PasswordHash
    from pwdlib.hashers.argon2 import Argon2Hasher

    return PasswordHash((Argon2Hasher(),))
