"""The scripted peer, and one way to say a promise about both faces of the client."""

from __future__ import annotations

import asyncio
import inspect
import os
from typing import TYPE_CHECKING, Any

import pytest

from avtomatika_client import AsyncClient, Client
from tests.client._peer import STATUS, Peer, reply

if TYPE_CHECKING:
    from collections.abc import Iterator

TOKEN = "a-very-secret-token"


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("AVTOMATIKA_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture
def peer() -> Iterator[Peer]:
    with Peer() as running:
        running.on("GET", STATUS, reply({"status": "ok"}))
        yield running


class Face:
    """Makes clients of one kind and hands back what their methods return, awaited where need be."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._runner = asyncio.Runner()
        self._clients: list[Any] = []

    def client(self, url: str, **options: Any) -> Any:
        options.setdefault("client_token", TOKEN)
        made = (Client if self.kind == "sync" else AsyncClient)(url, **options)
        self._clients.append(made)
        return made

    def __call__(self, value: Any) -> Any:
        return self._runner.run(_awaited(value)) if inspect.isawaitable(value) else value

    def list(self, iterator: Any) -> list[Any]:
        return list(iterator) if self.kind == "sync" else self._runner.run(_listed(iterator))

    def close(self) -> None:
        for client in self._clients:
            self(client.close())
        self._runner.close()


async def _awaited(value: Any) -> Any:
    return await value


async def _listed(iterator: Any) -> list[Any]:
    return [item async for item in iterator]


@pytest.fixture(params=["sync", "async"])
def face(request: pytest.FixtureRequest) -> Iterator[Face]:
    made = Face(request.param)
    yield made
    made.close()
