"""The worker's WebSocket: commands out; progress and acknowledgements in, in every form the releases use."""

from __future__ import annotations

import logging
from typing import Any

from pydantic import ValidationError
from pydantic_core import from_json
from starlette.websockets import WebSocket, WebSocketDisconnect

from avtomatika_client.protocol import headers
from orchestrator_lite.access import Access
from orchestrator_lite.api._http import core_of
from orchestrator_lite.api._identity import access_of, owner_of
from orchestrator_lite.api.telling import EventBody, telling_of
from orchestrator_lite.engine.json_values import NotJSONError
from orchestrator_lite.runtime.core import Core
from orchestrator_lite.runtime.telling import LARGEST
from orchestrator_lite.runtime.workers import SupersededError, Worker
from orchestrator_lite.store import StoreError

log = logging.getLogger(__name__)

_PROGRESS = frozenset({"progress", "progress_update"})

UNNAMED = "unnamed "
"""No worker's id begins like this: it holds a space."""


async def channel(socket: WebSocket) -> None:
    """Serve `/_worker/ws/{worker_id}` and `/_worker/ws`, where header X-Worker-ID or its own token names the worker.

    Official workers before 1.0b20 name themselves nowhere: with the token of all they are known by their socket.
    """
    core = core_of(socket)
    named = socket.path_params.get("worker_id") or socket.headers.get(headers.WORKER_ID) or owner_of(socket)
    worker_id = named or f"{UNNAMED}{id(socket)}"
    await socket.accept()
    try:
        core.desk.workers.check(worker_id, socket.headers.get(headers.INCARNATION))
    except SupersededError as error:
        await socket.close(4409, str(error))
        return
    await core.channels.opened(worker_id, socket)
    try:
        while True:
            await _take(core, access_of(socket), worker_id, await socket.receive_text())
    except (WebSocketDisconnect, RuntimeError, KeyError):
        return  # closed by either side; a binary frame is not of this protocol
    finally:
        core.channels.closed(worker_id, socket)


async def _take(core: Core, access: Access, worker_id: str, text: str) -> None:
    """One frame; what cannot be read is passed over, as officially."""
    try:
        frame = from_json(text)
    except ValueError:
        log.debug("an unreadable frame", extra={"worker_id": worker_id})
        return
    if not isinstance(frame, dict):
        return
    worker = _speaker(core, access, worker_id, frame)
    if worker is None:
        return
    kind = frame.get("event") or frame.get("type") or frame.get("event_type")
    if not isinstance(kind, str):
        return
    if kind == "ack":
        core.desk.acknowledge(worker, _acks(frame))
    elif kind in _PROGRESS:
        _progress(core, worker, frame)
    elif "event_type" in frame and len(text) <= LARGEST:
        await _event(core, worker, frame)


async def _event(core: Core, worker: Worker, frame: dict[str, Any]) -> None:
    """An event of a skill's own; nothing is said of one that does not count."""
    try:
        telling = telling_of(EventBody.model_validate(frame))
        if telling is not None:
            await core.tellings.take(worker.worker_id, telling)
    except (ValidationError, NotJSONError, StoreError):
        log.debug("an event was not taken", extra={"worker_id": worker.worker_id})


def _speaker(core: Core, access: Access, worker_id: str, frame: dict[str, Any]) -> Worker | None:
    """The worker a frame is from: the socket's, or behind an unnamed one the holder of the task it speaks of.

    A holder with a token of its own would have named itself by it.
    """
    lease = core.desk.leases.get(str(frame.get("task_id")))
    named = core.desk.workers.get(worker_id)
    if named is not None or lease is None or not worker_id.startswith(UNNAMED):
        return named
    holder = lease.row.worker_id or ""
    return None if holder in access.workers.individual else core.desk.workers.get(holder)


def _progress(core: Core, worker: Worker, frame: dict[str, Any]) -> None:
    payload = frame.get("payload")
    said = payload if isinstance(payload, dict) else frame
    task_id = frame.get("task_id") or frame.get("target_task_id") or frame.get("origin_task_id")
    attempt = frame.get("attempt")
    if isinstance(task_id, str):
        known = attempt if isinstance(attempt, int) else None
        core.desk.progress(worker, task_id, known, said.get("progress"), said.get("message"))


def _acks(frame: dict[str, Any]) -> list[tuple[str, int]]:
    acks = frame.get("acks")
    if not isinstance(acks, list):
        return []
    return [
        (item["task_id"], item["attempt"])
        for item in acks
        if isinstance(item, dict) and isinstance(item.get("task_id"), str) and isinstance(item.get("attempt"), int)
    ]
