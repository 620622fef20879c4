"""A server behind a real socket, and what speaks to it: a client's requests and a worker's."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
from websockets.asyncio.client import connect

from avtomatika_client.protocol.clock import SYSTEM_CLOCK
from orchestrator_lite import Orchestrator, Settings
from tests._support.clocks import JumpingClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from orchestrator_lite import Blueprint
    from orchestrator_lite.store import Store

PATIENCE = 20.0
"""Seconds a test waits for what must happen."""

FINAL = {"finished", "failed", "error", "quarantined", "cancelled"}


class House:
    """A running server with one client's view of it.

    Attributes:
        lite: The server.
        http: Connections to it.
        clock: The time it goes by.
    """

    def __init__(self, lite: Orchestrator, http: httpx.AsyncClient, clock: JumpingClock) -> None:
        self.lite = lite
        self.http = http
        self.clock = clock

    @property
    def client_headers(self) -> dict[str, str]:
        return {"X-Client-Token": self.lite.client_token}

    async def api(self, method: str, path: str, **kwargs: Any) -> httpx.Response:
        """A client's request under `/api/v1`."""
        headers = {**self.client_headers, **kwargs.pop("headers", {})}
        return await self.http.request(method, f"/api/v1{path}", headers=headers, **kwargs)

    async def create(self, endpoint: str, initial_data: dict[str, Any] | None = None, **body: Any) -> str:
        """A new job's id."""
        reply = await self.api("POST", endpoint, json={"initial_data": initial_data or {}, **body})
        assert reply.status_code == 202, reply.text
        job_id: str = reply.json()["job_id"]
        return job_id

    async def job(self, job_id: str, **params: Any) -> dict[str, Any]:
        reply = await self.api("GET", f"/jobs/{job_id}", params=params)
        assert reply.status_code == 200, reply.text
        return reply.json()

    async def ended(self, job_id: str) -> dict[str, Any]:
        """The job once it has ended."""
        job = await self.job(job_id, wait=PATIENCE)
        assert job["status"] in FINAL, job
        return job

    async def cancel(self, job_id: str) -> str:
        """What the cancel is answered with."""
        reply = await self.api("POST", f"/jobs/{job_id}/cancel")
        assert reply.status_code == 200, reply.text
        return reply.json()["status"]

    async def history(self, job_id: str) -> list[dict[str, Any]]:
        reply = await self.api("GET", f"/jobs/{job_id}/history")
        assert reply.status_code == 200, reply.text
        return reply.json()

    async def event_types(self, job_id: str) -> list[str]:
        return [event["event_type"] for event in await self.history(job_id)]

    def worker(self, worker_id: str, *skills: str, incarnation: str | None = None) -> RawWorker:
        """A worker that has not registered yet."""
        return RawWorker(self, worker_id, skills, incarnation)

    async def registered(self, worker_id: str, *skills: str, incarnation: str | None = None) -> RawWorker:
        """A worker that has registered."""
        worker = self.worker(worker_id, *skills, incarnation=incarnation)
        await worker.register()
        return worker

    async def holds_poll(self, worker_id: str) -> None:
        """Wait until the server holds a poll of this worker."""
        waiting = self.lite._site.core._dispatcher._waiting
        await until(lambda: any(poll.worker.worker_id == worker_id for queue in waiting.values() for poll in queue))

    async def settled(self) -> None:
        """Let the server do what the last jump of time brought: round trips that pass through its store."""
        for _ in range(10):
            await self.api("GET", "/jobs/none")


class RawWorker:
    """The worker protocol by hand; without an incarnation as an official worker speaks it."""

    def __init__(self, house: House, worker_id: str, skills: tuple[str, ...], incarnation: str | None) -> None:
        self.house = house
        self.worker_id = worker_id
        self.skills = list(skills)
        self.incarnation = incarnation

    @property
    def headers(self) -> dict[str, str]:
        headers = {"X-Worker-Token": self.house.lite.worker_token, "X-Worker-ID": self.worker_id}
        return headers if self.incarnation is None else {**headers, "X-Avtomatika-Incarnation": self.incarnation}

    async def send(self, method: str, path: str, **kwargs: Any) -> httpx.Response:
        headers = {**self.headers, **kwargs.pop("headers", {})}
        return await self.house.http.request(method, f"/_worker{path}", headers=headers, **kwargs)

    async def register(self, **more: Any) -> dict[str, Any]:
        body: dict[str, Any] = {"worker_id": self.worker_id, "supported_skills": self.skills, **more}
        if self.incarnation is not None:
            body["incarnation"] = self.incarnation
        reply = await self.send("POST", "/workers/register", json=body)
        assert reply.status_code == 200, reply.text
        return reply.json()

    async def next(self, *, timeout: float = PATIENCE, ack: dict[str, Any] | None = None) -> dict[str, Any] | None:
        """One poll; None for 204. `ack`: a task whose delivery it confirms."""
        headers = {} if ack is None else {"X-Avtomatika-Ack": f"{ack['task_id']}:{ack['attempt']}"}
        params = {"timeout": timeout}
        reply = await self.send("GET", f"/workers/{self.worker_id}/tasks/next", params=params, headers=headers)
        if reply.status_code == 204:
            assert reply.content == b""
            return None
        assert reply.status_code == 200, reply.text
        return reply.json()

    async def open_poll(self) -> asyncio.StreamWriter:
        """A poll on a connection of its own, sent and not read; closing it hangs up."""
        url = httpx.URL(self.house.lite.url)
        _, writer = await asyncio.open_connection(url.host, url.port)
        sent = {"Host": url.netloc.decode(), **self.headers}
        lines = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
        writer.write(f"GET /_worker/workers/{self.worker_id}/tasks/next HTTP/1.1\r\n{lines}\r\n".encode())
        await writer.drain()
        return writer

    async def task(self, **kwargs: Any) -> dict[str, Any]:
        """A task, which must be there."""
        task = await self.next(**kwargs)
        assert task is not None
        return task

    async def nothing(self) -> None:
        """There is no task for this worker."""
        assert await self.next(timeout=0) is None

    async def beat(self, *tasks: dict[str, Any], **body: Any) -> dict[str, Any]:
        """A heartbeat that names tasks."""
        named = [task["task_id"] for task in tasks]
        reply = await self.send("PATCH", f"/workers/{self.worker_id}", json={"current_tasks": named, **body})
        assert reply.status_code == 200, reply.text
        return reply.json()

    async def ack(self, *tasks: dict[str, Any]) -> None:
        """Confirm tasks by a heartbeat, as ours does within a second."""
        await self.beat(*tasks, acks=[{"task_id": task["task_id"], "attempt": task["attempt"]} for task in tasks])

    async def answer(self, task: dict[str, Any], status: str = "success", **body: Any) -> dict[str, Any]:
        """Deliver a result; ours names the attempt."""
        result: dict[str, Any] = {"job_id": task["job_id"], "task_id": task["task_id"], "worker_id": self.worker_id}
        if self.incarnation is not None:
            result["attempt"] = task["attempt"]
        reply = await self.send("POST", "/tasks/result", json={**result, "status": status, **body})
        assert reply.status_code == 200, reply.text
        return reply.json()

    def socket(self, path: str | None = None) -> connect:
        """A WebSocket to the server."""
        url = self.house.lite.url.replace("http://", "ws://")
        where = f"/_worker/ws/{self.worker_id}" if path is None else path
        return connect(url + where, additional_headers=self.headers, proxy=None)


@asynccontextmanager
async def serving(
    *blueprints: Blueprint, clock: JumpingClock | None = None, store: str | Store = "memory", **settings: Any
) -> AsyncIterator[House]:
    """A server on a free port until the end of the block."""
    clock = clock or JumpingClock()
    lite = Orchestrator(blueprints, store=store, settings=Settings(**settings), clock=clock)
    async with (
        lite.listening(port=0),
        httpx.AsyncClient(base_url=lite.url, timeout=PATIENCE + 5, trust_env=False, verify=False) as http,
    ):
        yield House(lite, http, clock)


async def until(holds: Callable[[], bool]) -> None:
    """Wait for a condition; it must come true."""
    async with SYSTEM_CLOCK.timeout(PATIENCE):
        while not holds():
            await SYSTEM_CLOCK.sleep(0.001)


async def soon(awaited: asyncio.Task[Any] | asyncio.Future[Any]) -> Any:
    """The outcome of a task, which must come."""
    async with SYSTEM_CLOCK.timeout(PATIENCE):
        return await awaited
