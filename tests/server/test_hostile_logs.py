"""Whatever strangers write into jobs, headers, paths and results, each line of the log is the server's own."""

from __future__ import annotations

import json
import re
import signal
from typing import TYPE_CHECKING
from urllib.parse import quote

import httpx
import pytest

from tests.server.test_serve import CLIENT, WORKER, serving

if TYPE_CHECKING:
    from pathlib import Path

EVIL = [
    "x\n2026-01-01 00:00:00,000 ERROR orchestrator_lite forged",
    '"}\n{"level": "ERROR", "message": "forged"}',
    "\x1b[2J\x1b]0;forged\x07",
    "\r\rforged",
    "%s %d %(message)s %n",
    "{} {0} {record.args}",
    "\u2028forged\u2029\x85\u202e\u0000\x7f",
]

FLOW = """
from orchestrator_lite import Blueprint

EVIL = {evil!r}

flow = Blueprint("evil", api_endpoint="/jobs/evil")

@flow.handler(is_start=True)
async def start(initial_data, actions):
    mode, text = initial_data["mode"], initial_data["text"]
    if mode == "raise":
        raise ValueError(text)
    if mode == "cause":
        try:
            raise KeyError(text)
        except KeyError as error:
            error.add_note(text)
            raise type("Raised" + text.replace(chr(0), ""), (RuntimeError,), {{}})(text) from error
    if mode == "skill":
        actions.dispatch_task(text)
    if mode == "transition":
        actions.go_to(text)
    if mode == "option":
        actions.dispatch_task("greet", dispatch_strategy=text)
    if mode == "version":
        actions.dispatch_task("greet", skill_version=text)
    if mode == "blueprint":
        actions.run_blueprint(text, {{}}, {{}})
    if mode == "task":
        actions.dispatch_task("greet", params={{"text": text}}, transitions={{}})
    if mode == "state":
        actions.go_to(text)
    return {{text: text}}

for number, name in enumerate(EVIL):
    @flow.handler(name)
    async def raises():
        raise RuntimeError(EVIL[number])
"""

WAITING = {"skill", "version"}
"""Some of these texts are names of skills and versions like any other: such a task waits."""

MODES = ["raise", "cause", "skill", "transition", "option", "version", "blueprint", "state", "none"]
TEXT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} [A-Z]+ [a-z_.]+ .*|    .*")


def provoked(url: str) -> int:
    """Have the server hear all of it in every place; how many jobs there were."""
    jobs = 0
    with httpx.Client(base_url=url, trust_env=False, timeout=20) as http:
        for number, text in enumerate(EVIL):
            for mode in MODES:
                body = {"initial_data": {"mode": mode, "text": text, text: [text]}, "hold": False}
                reply = http.post("/api/v1/jobs/evil", json=body, headers={**CLIENT, "traceparent": "%s%n"})
                assert reply.status_code == 202, reply.text
                jobs += 1
                if mode in WAITING:
                    continue
                job = http.get(f"/api/v1/jobs/{reply.json()['job_id']}?wait=15", headers=CLIENT).json()
                assert job["status"] in {"failed", "error", "quarantined"}, (mode, text, job)
            worker = f"w{number}"
            registration = {
                "worker_id": worker,
                "supported_skills": ["greet"],
                "worker_type": text,
                "capabilities": {text: text},
                "resources": {text: text},
                text: text,
            }
            headers = {**WORKER, "X-Worker-ID": worker}
            assert http.post("/_worker/workers/register", json=registration, headers=headers).status_code == 200
            http.patch(f"/_worker/workers/{worker}", json={"status": text[:60], text: text}, headers=headers)
            http.patch(f"/_worker/workers/{worker}", json={"status": "idle"}, headers=headers)
            made = http.post(
                "/api/v1/jobs/evil", json={"initial_data": {"mode": "task", "text": text}}, headers=CLIENT
            ).json()
            for _ in range(8):
                reply = http.get(f"/_worker/workers/{worker}/tasks/next?timeout=0.3", headers=headers)
                if reply.status_code != 200:
                    break
                task = reply.json()
                event = {"event_type": "told", "target_task_id": task["task_id"], "payload": {text: text}}
                http.post("/_worker/events", json=event, headers=headers)
                result = {
                    "job_id": task["job_id"],
                    "task_id": task["task_id"],
                    "worker_id": worker,
                    "status": "failure",
                    "error": {"code": "INVALID_INPUT_ERROR", "message": text, "details": text},
                }
                http.post("/_worker/tasks/result", json=result, headers=headers)
            job = http.get(f"/api/v1/jobs/{made['job_id']}?wait=15", headers=CLIENT).json()
            assert job["status"] == "failed", job
            for method in ("GET", "POST"):
                http.request(method, f"/api/v1/jobs/{quote(text, safe='')}", headers=CLIENT)
            quoted = httpx.QueryParams({"q": text})
            for path in (f"/api/v1/jobs?{quoted}", f"/_public/status?{quoted}", f"/api/v1/blueprints/x/graph?{quoted}"):
                http.get(path, headers=CLIENT)
            schedule = {"name": "evil", "blueprint": text, "cron": text, "timezone": text}
            assert http.post("/api/v1/schedules", json=schedule, headers=CLIENT).status_code in {400, 404}
            webhook = {"initial_data": {}, "webhook_url": f"http://127.0.0.1:1/{text}"}
            assert http.post("/api/v1/jobs/evil", json=webhook, headers=CLIENT).status_code == 400
            token = text.encode().translate(None, bytes(range(32)) + b"\x7f").strip()
            assert http.get("/api/v1/jobs", headers={"X-Client-Token": token}).status_code in {401, 429}
    return jobs


@pytest.mark.parametrize("style", ["text", "json"])
def test_every_line_of_the_log_is_the_servers_own(style, tmp_path: Path):
    flow = tmp_path / "flow.py"
    flow.write_text(FLOW.format(evil=EVIL))
    with serving(flow, "--port", 0, "--log-format", style, "--log-level", "DEBUG") as (process, url, lines):
        jobs = provoked(url.partition('"')[0])
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    text = "".join(lines)
    told = [line for line in text.split("\n") if line]
    assert len(told) > jobs
    broken = [line for line in told if not line.isprintable()]
    assert broken == []
    if style == "json":
        records = [json.loads(line) for line in told]
        assert all({"time", "level", "logger", "message"} <= record.keys() for record in records)
        assert not [record for record in records if record["message"] == "forged"]
        assert {record["logger"].partition(".")[0] for record in records} <= {"orchestrator_lite", "asyncio", "uvicorn"}
    else:
        assert [line for line in told if not TEXT.fullmatch(line)] == []
        assert not re.search(r"^\S* ?\S* ?ERROR orchestrator_lite forged", text, re.MULTILINE)
