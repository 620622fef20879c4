"""A foreign server that keeps files, badly when it is told to: every route is a coroutine over the raw connection."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from avtomatika_client.protocol.clock import SYSTEM_CLOCK

PATIENCE = 10.0


@dataclass
class Talk:
    """One request on its connection; the body is read by the route."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    received: int = 0

    async def body(self) -> bytes:
        """All of the body."""
        pieces = [piece async for piece in self.pieces()]
        return b"".join(pieces)

    async def pieces(self):
        """The body as it comes."""
        if self.headers.get("transfer-encoding") == "chunked":
            while size := int(await self.reader.readline(), 16):
                piece = await self.reader.readexactly(size)
                await self.reader.readline()
                self.received += size
                yield piece
            await self.reader.readline()
            return
        left = int(self.headers.get("content-length", "0"))
        while left:
            piece = await self.reader.read(min(65536, left))
            if not piece:
                raise asyncio.IncompleteReadError(b"", left)
            left -= len(piece)
            self.received += len(piece)
            yield piece

    async def answer(self, status: int, content: bytes = b"", **headers: str) -> None:
        """A whole answer."""
        await self.head(status, content_length=str(len(content)), **headers)
        self.writer.write(content)
        await self.writer.drain()

    async def head(self, status: int, **headers: str) -> None:
        """The head of an answer."""
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        self.writer.write(f"HTTP/1.1 {status} Whatever\r\n{lines}\r\n".encode())
        await self.writer.drain()

    async def json(self, status: int, text: str, **headers: str) -> None:
        """A whole answer that the application itself gives."""
        await self.answer(status, text.encode(), content_type="application/json", **headers)


Route = Callable[[Talk], Awaitable[object]]


@dataclass
class FilePeer:
    """The server, in a thread of its own; a context manager.

    Routes are found by method and the beginning of the path; the last one added wins. A route that returns False
    has its connection closed.
    """

    seen: list[Talk] = field(default_factory=list)
    routes: list[tuple[str, str, Route]] = field(default_factory=list)
    now: int = 0
    most_at_once: int = 0

    def on(self, method: str, path: str, route: Route) -> FilePeer:
        self.routes.insert(0, (method, path, route))
        return self

    def calls(self, method: str, path: str = "") -> list[Talk]:
        return [talk for talk in self.seen if talk.method == method and talk.path.startswith(path)]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> FilePeer:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._do(self._start())
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()

    def release(self) -> None:
        """Let routes that wait for `released` go on."""
        self._loop.call_soon_threadsafe(self.released.set)

    def _do(self, work) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE)

    async def _start(self) -> None:
        self.released = asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self._port = self._server.sockets[0].getsockname()[1]

    async def _stop(self) -> None:
        self._server.close()
        self.released.set()
        while len(asyncio.all_tasks()) > 1:
            for writer in self._writers:
                writer.transport.abort()
            await SYSTEM_CLOCK.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while await self._one(reader, writer) is not False:
                pass
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            self._writers.discard(writer)

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> object:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().rstrip().split("\r\n")
        method, target, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        parts = urlsplit(target)
        talk = Talk(method, parts.path, parts.query, headers, reader, writer)
        self.seen.append(talk)
        self.now += 1
        self.most_at_once = max(self.most_at_once, self.now)
        try:
            for wanted, path, route in self.routes:
                if method == wanted and talk.path.startswith(path):
                    return await route(talk)
            await talk.body()
            return await talk.answer(404, b"404: Not Found", content_type="text/plain")
        finally:
            self.now -= 1


def name_of(talk: Talk) -> str:
    """The file's name at the end of the path."""
    return unquote(talk.path.rpartition("/")[2])
