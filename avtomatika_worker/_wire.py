"""The requests a worker makes of one orchestrator, without I/O (seeds 000-002 §3, `spec/avtomatika.md` §6)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from avtomatika_client._calls._flow import Request
from avtomatika_client.protocol.headers import ACK, INCARNATION, WORKER_ID, WORKER_TOKEN, format_acks
from avtomatika_worker._dialect import Dialect
from avtomatika_worker._journal import Finished
from avtomatika_worker._settings import Target

LARGEST_BATCH = 64
"""Tasks one poll brings at most."""

Ack = tuple[str, int]
"""(task_id, attempt)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What a worker offers.

    Attributes:
        worker_type: Free text.
        skills: As published, with name, type, version and schemas.
        max_concurrent_tasks: Its slots.
        hostname: The machine's name.
    """

    worker_type: str
    skills: tuple[dict[str, Any], ...]
    max_concurrent_tasks: int
    hostname: str

    @property
    def names(self) -> list[str]:
        """The skills' names, each once."""
        return list(dict.fromkeys(skill["name"] for skill in self.skills))


@dataclass(frozen=True, slots=True)
class Peer:
    """Everything a request to one orchestrator needs; replaced whole when its dialect becomes known."""

    target: Target
    worker_id: str
    incarnation: str
    dialect: Dialect = field(default_factory=Dialect)

    def headers(self, acks: Sequence[Ack] = ()) -> dict[str, str]:
        """Who we are, and what the request acknowledges."""
        headers = {WORKER_TOKEN: self.target.token, WORKER_ID: self.worker_id}
        if self.dialect.leases:
            headers[INCARNATION] = self.incarnation
            if acks:
                headers[ACK] = format_acks(list(acks))
        return headers

    def status(self) -> Request:
        """Ask what the server can do."""
        return Request(method="GET", url=f"{self.target.url}/_public/status")

    def register(self, offer: Offer, holding: Sequence[Ack]) -> Request:
        """Say who we are and what we offer."""
        body: dict[str, Any] = {
            "worker_id": self.worker_id,
            "worker_type": offer.worker_type,
            **self._skills(offer),
            "resources": {"max_concurrent_tasks": offer.max_concurrent_tasks},
            "capabilities": _capabilities(offer),
        }
        if self.dialect.leases:
            body["incarnation"] = self.incarnation
            body["holding"] = _pairs(holding)
        return self._json("POST", "/_worker/workers/register", body)

    def poll(self, acks: Sequence[Ack], limit: int) -> Request:
        """Wait for a task, or where the server gives several at once for up to `limit`."""
        url = f"{self.target.url}/_worker/workers/{self.worker_id}/tasks/next"
        if self.dialect.batches:
            url += f"?limit={min(limit, LARGEST_BATCH)}"
        return Request(method="GET", url=url, headers=self.headers(acks), long=True)

    def heartbeat(
        self, *, status: str, current_tasks: Sequence[str], load: float, acks: Sequence[Ack], offer: Offer
    ) -> Request:
        """Say that we live and what we do."""
        body: dict[str, Any] = {
            "worker_id": self.worker_id,
            "status": self._status(status),
            "current_tasks": list(current_tasks),
            "load": round(load, 4),
        }
        if self.dialect.leases:
            body["incarnation"] = self.incarnation
            body["acks"] = _pairs(acks)
        elif not self.dialect.skill_objects:
            body |= {**self._skills(offer), "capabilities": _capabilities(offer), "hot_skills": [], "hot_cache": []}
        else:
            body |= {"available_skills": offer.names, "capabilities": _capabilities(offer)}
        return self._json("PATCH", f"/_worker/workers/{self.worker_id}", body)

    def result(self, finished: Finished, acks: Sequence[Ack] = ()) -> Request:
        """Deliver what a task has come to; the data is JSON already and goes out as it lies in the journal."""
        head: dict[str, Any] = {
            "job_id": finished.job_id,
            "task_id": finished.task_id,
            "worker_id": self.worker_id,
            "status": finished.status,
        }
        if self.dialect.leases:
            head |= {"attempt": finished.attempt, "incarnation": self.incarnation}
        outcome = b'"data":' + finished.data + b',"error":' + finished.error
        if self.dialect.nested_results:
            outcome += b',"result":{"status":' + _dump(finished.status) + b"," + outcome + b"}"
        content = _dump(head)[:-1] + b"," + outcome + b"}"
        return self._request("POST", "/_worker/tasks/result", content, acks)

    @property
    def socket_url(self) -> str:
        """Where the WebSocket is."""
        return f"{self.target.url}/_worker/ws/{self.worker_id}"

    def _status(self, status: str) -> str:
        # Servers that do not know the word must not send more tasks to a worker that would not hear of them.
        return "busy" if status == "deaf" and not self.dialect.leases else status

    def _skills(self, offer: Offer) -> dict[str, Any]:
        if self.dialect.skill_objects:
            return {"supported_skills": list(offer.skills), "available_skills": offer.names}
        return {"supported_skills": offer.names, "supported_tasks": offer.names}

    def _json(self, method: str, path: str, body: dict[str, Any]) -> Request:
        return self._request(method, path, _dump(body))

    def _request(self, method: str, path: str, content: bytes, acks: Sequence[Ack] = ()) -> Request:
        headers = {**self.headers(acks), "content-type": "application/json"}
        return Request(method=method, url=self.target.url + path, headers=headers, content=content)


def _capabilities(offer: Offer) -> dict[str, Any]:
    # The official servers read `websockets`, the official workers send `extra.websockets`: both (§6.5).
    return {"websockets": True, "extra": {"websockets": True}, "hostname": offer.hostname, "cost_per_skill": {}}


def _pairs(acks: Sequence[Ack]) -> list[dict[str, Any]]:
    return [{"task_id": task_id, "attempt": attempt} for task_id, attempt in acks]


def _dump(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def progress_frame(task_id: str, job_id: str, attempt: int, fraction: float, message: str | None) -> str:
    """A frame that tells how far a task is; both keys, since releases differ in which one they read (§6.5)."""
    event = "progress_update"
    frame = {"event": event, "type": event, "task_id": task_id, "job_id": job_id, "attempt": attempt}
    return json.dumps(frame | {"progress": fraction, "message": message}, separators=(",", ":"))


def ack_frame(acks: Sequence[Ack]) -> str:
    """A frame that acknowledges deliveries."""
    return json.dumps({"event": "ack", "acks": _pairs(acks)}, separators=(",", ":"))
