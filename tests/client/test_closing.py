"""Closing a client ends whatever waits with it, at once and with an error that says so."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from avtomatika_client import APIConnectionError, AsyncClient, Client
from orchestrator_lite import Blueprint
from tests.conftest import run

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE = 10.0


@pytest.fixture
def endless(live_orchestrator: Any) -> Any:
    flow = Blueprint("endless", api_endpoint="/jobs/endless")

    @flow.handler(is_start=True)
    async def start(initial_data, actions):
        actions.dispatch_task("nobody", {}, {"success": "finished"})

    @flow.handler(is_end=True)
    async def finished(): ...

    live_orchestrator.add(flow)
    return live_orchestrator


async def drained(events: Any) -> None:
    async for _ in events:
        pass


def test_the_waits_of_tasks_end(endless):
    async def body() -> list[Any]:
        client = AsyncClient(endless.url, client_token=endless.client_token)
        jobs = await client.jobs.submit_many("endless", [{}] * 5)
        waits = [asyncio.create_task(job.result()) for job in jobs]
        waits += [
            asyncio.create_task(drained(events))
            for events in (client.jobs.as_completed(jobs), jobs[0].events(), client.jobs.events())
        ]
        await asyncio.sleep(0.3)  # noqa: TID251 - some wait on the wire, some for others, by then
        await client.close()
        done, pending = await asyncio.wait(waits, timeout=PATIENCE)
        assert not pending
        return [wait.exception() for wait in done]

    errors = run(body())
    assert len(errors) == 8
    assert all(isinstance(error, APIConnectionError) and "closed" in str(error) for error in errors), errors


def test_the_waits_of_threads_end(endless):
    client = Client(endless.url, client_token=endless.client_token)
    jobs = client.jobs.submit_many("endless", [{}] * 5)
    errors: list[BaseException] = []

    def wait(what: Callable[[], object]) -> None:
        try:
            what()
        except APIConnectionError as error:
            errors.append(error)

    waits: list[Callable[[], object]] = [job.result for job in jobs]
    waits += [
        lambda: list(client.jobs.as_completed(jobs)),
        lambda: list(jobs[0].events()),
        lambda: list(client.jobs.events()),
    ]
    threads = [threading.Thread(target=wait, args=(what,), daemon=True) for what in waits]
    for thread in threads:
        thread.start()
    time.sleep(0.3)  # noqa: TID251 - as above
    client.close()
    for thread in threads:
        thread.join(PATIENCE)
    assert len(errors) == 8
    assert all("closed" in str(error) for error in errors), errors
