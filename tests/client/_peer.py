"""A foreign server whose every answer is scripted: it drops, stalls, drips and restarts when it is told to."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from avtomatika_client.protocol.clock import SYSTEM_CLOCK

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE = 10.0


@dataclass(frozen=True)
class Seen:
    """A request as it came in.

    `connection` counts the connections from 1; `turn` the requests on it, from 1.
    """

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes
    connection: int
    turn: int

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Answer:
    """What to answer, and how badly.

    `drop`: close the connection in place of answering; `stall`: answer only once the peer is released;
    `after`: seconds before the answer; `drip`: seconds between its bytes; `close`: close the connection afterwards.
    """

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    drop: bool = False
    stall: bool = False
    after: float = 0.0
    drip: float = 0.0
    close: bool = False


def reply(value: object, status: int = 200, **headers: str) -> Answer:
    """A JSON answer; a header's underscores are dashes."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Answer(status, json.dumps(value).encode(), {"content-type": "application/json", **named})


def text(words: str, status: int) -> Answer:
    """A framework's plain answer."""
    return Answer(status, words.encode(), {"content-type": "text/plain; charset=utf-8"})


DROP = Answer(drop=True)
STALL = Answer(stall=True)
NO_ROUTE = text("404: Not Found", 404)
STATUS = "/_public/status"


class Peer:
    """The server, in a thread of its own; a context manager."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.most_at_once = 0
        self._now = 0
        self._connections = 0
        self._script: dict[tuple[str, str], list[Answer | Callable[[Seen], Answer]]] = defaultdict(list)
        self._changed = threading.Condition()
        self._writers: set[asyncio.StreamWriter] = set()
        self._port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Peer:
        self._thread.start()
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def asked(self) -> list[Seen]:
        """The requests so far, but for those for the server's status."""
        with self._changed:
            return [seen for seen in self.seen if seen.path != STATUS]

    def on(self, method: str, path: str, *answers: Answer | Callable[[Seen], Answer]) -> Peer:
        """Script a route: its answers in turn, the last one for ever."""
        with self._changed:
            self._script[method, path] = list(answers)
        return self

    def start(self) -> None:
        """Listen, on the same port as before."""
        self._do(self._start())

    def stop(self) -> None:
        """Stop listening and cut every connection."""
        self._do(self._stop())

    def release(self) -> None:
        """Let what stalls go on."""
        self._loop.call_soon_threadsafe(self._released.set)

    def cut(self) -> None:
        """Cut every open connection."""
        self._do(self._cut())

    def calls(self, method: str, path: str) -> list[Seen]:
        """The requests of one route so far."""
        with self._changed:
            return [seen for seen in self.seen if (seen.method, seen.path) == (method, path)]

    def wait_for(self, count: int, method: str, path: str) -> list[Seen]:
        """Wait until a route was asked so often."""
        with self._changed:
            found = self._changed.wait_for(lambda: len(self.calls(method, path)) >= count, PATIENCE)
        assert found, f"{method} {path} was asked {len(self.calls(method, path))} times, not {count}"
        return self.calls(method, path)

    def _do(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE)

    async def _start(self) -> None:
        self._released = asyncio.Event()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def _stop(self) -> None:
        self._server.close()
        self._released.set()
        # A connection that was accepted a moment ago has a task, but no writer yet.
        while len(asyncio.all_tasks()) > 1:
            await self._cut()
            await SYSTEM_CLOCK.sleep(0)
        await self._server.wait_closed()

    async def _cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        while self._writers:
            await SYSTEM_CLOCK.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        self._connections += 1
        connection, turn, open_ = self._connections, 0, True
        try:
            while open_:
                turn += 1
                open_ = await self._one(reader, writer, connection, turn)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort()
            self._writers.discard(writer)

    async def _one(self, reader: Any, writer: Any, connection: int, turn: int) -> bool:
        seen = await _read(reader, connection, turn)
        with self._changed:
            self.seen.append(seen)
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
            answer = self._answer(seen)
            self._changed.notify_all()
        try:
            return await self._send(writer, answer)
        finally:
            with self._changed:
                self._now -= 1

    def _answer(self, seen: Seen) -> Answer:
        script = self._script[seen.method, seen.path]
        if not script:
            return NO_ROUTE
        answer = script.pop(0) if len(script) > 1 else script[0]
        return answer if isinstance(answer, Answer) else answer(seen)

    async def _send(self, writer: Any, answer: Answer) -> bool:
        if answer.drop:
            return False
        if answer.stall:
            await self._released.wait()
        if answer.after:
            with contextlib.suppress(TimeoutError):
                async with SYSTEM_CLOCK.timeout(answer.after):
                    await self._released.wait()
        for chunk in _chunks(answer):
            writer.write(chunk)
            await writer.drain()
            if answer.drip:
                await SYSTEM_CLOCK.sleep(answer.drip)
        return not answer.close


def _chunks(answer: Answer) -> list[bytes]:
    fields = {"content-length": str(len(answer.body)), **answer.headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    whole = f"HTTP/1.1 {answer.status} Whatever\r\n{lines}\r\n".encode() + answer.body
    return [whole[at : at + 1] for at in range(len(whole))] if answer.drip else [whole]


async def _read(reader: asyncio.StreamReader, connection: int, turn: int) -> Seen:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    first, *lines = head.rstrip().split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    parts = urlsplit(target)
    return Seen(method, parts.path, parse_qs(parts.query), headers, body, connection, turn)
