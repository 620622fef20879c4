"""An orchestrator that does as it is told and remembers what it saw; it runs in a thread of its own, on a real port."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import uvicorn

from avtomatika_client.protocol.clock import SYSTEM_CLOCK

OUR_FEATURES = ["leases", "draining", "wait"]


@dataclass(frozen=True)
class Seen:
    """One request, or one frame (method `WS`)."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any
    at: float

    @property
    def kind(self) -> str:
        """What it is, in a word."""
        tail = self.path.rpartition("/")[2]
        return {
            "GET": {"next": "poll", "status": "status"},
            "POST": {"register": "register", "result": "result"},
            "PATCH": {tail: "heartbeat"},
            "WS": {tail: "frame"},
        }[self.method].get(tail, tail)


@dataclass
class Answer:
    """A scripted reply: a status, a body (JSON, or bytes as they are) and headers; `drop` cuts the connection."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    drop: bool = False
    gate: threading.Event | None = None


class Peer:
    """The scripted orchestrator; use it as a context manager."""

    def __init__(self, *, features: list[str] | None = None, version: str | None = None, hold: float = 30.0) -> None:
        self.features = OUR_FEATURES if features is None else features
        self.version = version
        self.hold = hold
        self.interval: float | None = None
        self.seen: list[Seen] = []
        self.scripted: dict[str, deque[Answer]] = {}
        self.always: dict[str, Answer] = {}
        self.cancel_ids: list[str] = []
        self.open_polls = 0
        self.sockets = 0
        self._tasks: deque[Any] = deque()
        self._draining = False
        self._lock = threading.Lock()
        self._waiting: list[tuple[Callable[[], bool], Future[None]]] = []
        self._port = 0

    # What tests say

    def hand_out(self, task: Any = None, **fields: Any) -> None:
        """Give this task to the next poll; bytes go out as they are."""
        if task is None:
            task = {"job_id": "job-1", "task_id": "task-1", "type": "work", "params": {}, "attempt": 1} | fields
        self._in_loop(lambda: (self._tasks.append(task), self._wake_polls()))

    def answer(self, kind: str, *answers: Answer) -> None:
        """Answer the next requests of this kind so."""
        self.scripted.setdefault(kind, deque()).extend(answers)

    def send_frame(self, frame: Any) -> None:
        """Send a frame on every open socket."""
        text = frame if isinstance(frame, str) else json.dumps(frame)
        self._in_loop(lambda: [queue.put_nowait(text) for queue in self._outgoing])

    def close_sockets(self) -> None:
        """Close every open socket."""
        self._in_loop(lambda: [queue.put_nowait(None) for queue in self._outgoing])

    def of(self, kind: str) -> list[Seen]:
        """What was seen of one kind."""
        return [seen for seen in list(self.seen) if seen.kind == kind]

    @property
    def results(self) -> list[Any]:
        """The bodies of the results."""
        return [seen.body for seen in self.of("result")]

    async def until(self, predicate: Callable[[], bool], seconds: float = 15.0) -> None:
        """Wait, on a loop, until something is so."""
        async with SYSTEM_CLOCK.timeout(seconds):
            await asyncio.wrap_future(self._when(predicate))

    def wait(self, predicate: Callable[[], bool], seconds: float = 20.0) -> None:
        """Wait, in a thread, until something is so."""
        self._when(predicate).result(seconds)

    # What it is

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> Peer:
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        if self._thread.is_alive():
            self._server.force_exit = True
            self._in_loop(self._stop.set)
            self._thread.join(10)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._poll_wake = asyncio.Event()
        self._outgoing: set[asyncio.Queue[str | None]] = set()
        config = uvicorn.Config(
            self._app,
            interface="asgi3",
            host="127.0.0.1",
            port=self._port,
            log_config=None,
            lifespan="off",
            ws="websockets-sansio",
        )
        self._server = uvicorn.Server(config)
        # Not `serve`, whose main loop looks ten times a second whether it should end.
        config.load()
        self._server.lifespan = config.lifespan_class(config)
        self._stop = asyncio.Event()
        await self._server.startup()
        self._port = self._server.servers[0].sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        await self._server.shutdown()

    def _in_loop(self, call: Callable[[], object]) -> None:
        self._loop.call_soon_threadsafe(call)

    def _wake_polls(self) -> None:
        self._poll_wake.set()
        self._poll_wake = asyncio.Event()

    def _when(self, predicate: Callable[[], bool]) -> Future[None]:
        future: Future[None] = Future()
        with self._lock:
            self._waiting.append((predicate, future))
        self._changed()
        return future

    def _changed(self) -> None:
        with self._lock:
            for predicate, future in list(self._waiting):
                if future.cancelled() or predicate():
                    self._waiting.remove((predicate, future))
                    if future.set_running_or_notify_cancel():
                        future.set_result(None)

    def _record(self, method: str, path: str, headers: dict[str, str], content: bytes) -> Seen:
        body = json.loads(content) if content else None
        seen = Seen(method, path, headers, body, SYSTEM_CLOCK.monotonic())
        self.seen.append(seen)
        if seen.kind == "heartbeat" and body and body.get("status") == "draining":
            self._draining = True
            self._wake_polls()
        if seen.kind == "register":
            self._draining = False
        self._changed()
        return seen

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        headers = {name.decode(): value.decode() for name, value in scope.get("headers", [])}
        if scope["type"] == "websocket":
            await self._socket(scope["path"], headers, receive, send)
            return
        content = b""
        while True:
            message = await receive()
            content += message.get("body", b"")
            if not message.get("more_body"):
                break
        seen = self._record(scope["method"], scope["path"], headers, content)
        await self._reply(seen, receive, send)

    async def _reply(self, seen: Seen, receive: Any, send: Any) -> None:
        queue = self.scripted.get(seen.kind)
        answer = queue.popleft() if queue else self.always.get(seen.kind) or await self._usual(seen, receive)
        if answer.gate is not None:
            await self._loop.run_in_executor(None, answer.gate.wait, 30)
        if answer.drop:
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"9")]})
            raise RuntimeError("cut")  # uvicorn closes the connection
        body = (
            answer.body
            if isinstance(answer.body, bytes)
            else b""
            if answer.status == 204
            else json.dumps(answer.body).encode()
        )
        head = {"content-type": "application/json"} | answer.headers
        if self.version:
            head["x-rxon-version"] = self.version
        raw = [(name.encode(), value.encode()) for name, value in head.items()]
        raw.append((b"content-length", str(len(body)).encode()))
        await send({"type": "http.response.start", "status": answer.status, "headers": raw})
        await send({"type": "http.response.body", "body": body})

    async def _usual(self, seen: Seen, receive: Any) -> Answer:
        if seen.kind == "status":
            return Answer(body={"status": "ok"} | ({"features": self.features} if self.features else {}))
        if seen.kind == "register":
            extra = {"poll_timeout": self.hold, "heartbeat_interval": self.interval} if self.features else {}
            return Answer(body={"status": "registered"} | extra)
        if seen.kind == "heartbeat":
            return Answer(body={"status": "ok", "cancel_task_ids": list(self.cancel_ids)})
        if seen.kind == "poll":
            return await self._poll(receive)
        return Answer(body={"status": "result_accepted_success", "transition": "success"})

    async def _poll(self, receive: Any) -> Answer:
        gone = asyncio.create_task(receive())
        self.open_polls += 1
        self._changed()
        try:
            async with SYSTEM_CLOCK.timeout(self.hold):
                while not self._tasks and not (self._draining and "draining" in self.features):
                    wake = asyncio.create_task(self._poll_wake.wait())
                    await asyncio.wait((wake, gone), return_when=asyncio.FIRST_COMPLETED)
                    wake.cancel()
                    if gone.done():
                        return Answer(204)
        except TimeoutError:
            return Answer(204)
        finally:
            gone.cancel()
            self.open_polls -= 1
            self._changed()
        return Answer(body=self._tasks.popleft()) if self._tasks else Answer(204)

    async def _socket(self, path: str, headers: dict[str, str], receive: Any, send: Any) -> None:
        await receive()
        if "socket" in self.always:
            await send({"type": "websocket.close", "code": 1008})
            return
        await send({"type": "websocket.accept"})
        outgoing: asyncio.Queue[str | None] = asyncio.Queue()
        self._outgoing.add(outgoing)
        self.sockets += 1
        self._changed()
        sender = asyncio.create_task(self._send_frames(outgoing, send))
        try:
            while (message := await receive())["type"] == "websocket.receive":
                self._record("WS", path, headers, (message.get("text") or "").encode())
        finally:
            sender.cancel()
            self._outgoing.discard(outgoing)
            self.sockets -= 1
            self._changed()

    async def _send_frames(self, outgoing: asyncio.Queue[str | None], send: Any) -> None:
        while (text := await outgoing.get()) is not None:
            await send({"type": "websocket.send", "text": text})
        await send({"type": "websocket.close", "code": 1000})
