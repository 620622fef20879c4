"""schemathesis in a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.fuzz._hooks import IDS
from tests.fuzz._world import CLIENT, PASSWORD, WORKER, Ids

if TYPE_CHECKING:
    from tests._support.house import House

ROOT = Path(__file__).parents[2]

TOLERANT = ["POST /_worker/workers/register", "PATCH /_worker/workers/{worker_id}", "POST /_worker/tasks/result"]
"""Every worker's protocol is read tolerantly: what can be understood is."""

ONE_BY_ONE = ["POST /api/v1/jobs:submit", "POST /_worker/events"]
"""Answered 200 with what is wrong inside."""

_CONTENT = [("GET", "_worker"), *((method, where) for method in ("PUT", "DELETE") for where in ("api/v1", "_worker"))]

MORE_THAN_A_SCHEMA = [
    "POST /_worker/workers/register",  # a skill is a name or an object with one
    "PATCH /_worker/workers/{worker_id}",
    "POST /api/v1/schedules",  # one way to say when, days that come together, cron
    "PATCH /api/v1/schedules/{schedule_id}",
    "POST /_worker/auth/token",  # who asks must be said with a token that is everybody's
    "POST /_worker/events",
    "POST /_public/webhooks/approval/{job_id}",  # the decisions are the job's
    "POST /api/v1/jobs/{job_id}/release",  # the states are the blueprint's
    # names of files
    "GET /api/v1/jobs/{job_id}/files/upload",
    "GET /api/v1/jobs/{job_id}/files/download/{filename}",
    *[f"{method} /{where}/jobs/{{job_id}}/files/content/{{filename}}" for method, where in _CONTENT],
]
"""Not all that the schema lets through has a meaning."""

REAL = 0.8
"""How often a name, a password or an attempt is a right one."""


def config(bearer: str) -> str:
    """The file schemathesis reads."""
    lines = ['hooks = "tests.fuzz._hooks"', "[generation]", "deterministic = true", 'database = "none"']
    for scheme, token in (("ClientToken", CLIENT), ("WorkerToken", WORKER)):
        lines += [f"[auth.openapi.{scheme}]", f'api_key = "{token}"']
    lines += ["[auth.openapi.Bearer]", f'bearer = "{bearer}"']
    known = {"username": ["alice"], "password": [PASSWORD], "attempt": [1]}
    for name, values in known.items():
        lines += [f"[dictionaries.{name}]", f"values = {json.dumps(values)}"]
    bound = [("username", "body.username"), ("password", "body.password"), ("attempt", "query.attempt")]
    lines += ["[parameters]"]
    lines += [f'"{place}" = {{ dictionary = "{name}", probability = {REAL} }}' for name, place in bound]
    for name in sorted({*TOLERANT, *ONE_BY_ONE, *MORE_THAN_A_SCHEMA}):
        lines += ["[[operations]]", f"include-name = {json.dumps(name)}", "[operations.checks]"]
        if name in MORE_THAN_A_SCHEMA:
            lines += ["positive_data_acceptance.enabled = false"]
        if name in TOLERANT or name in ONE_BY_ONE:
            lines += ["negative_data_rejection.enabled = false"]
    return "\n".join(lines) + "\n"


async def schemathesis(house: House, ids: Ids, folder: Path, *options: str) -> tuple[int, str]:
    """What it says of a server: its status and its report."""
    credentials = {"username": "alice", "password": PASSWORD}
    bearer = (await house.http.post("/api/v1/auth/token", json=credentials)).json()["access_token"]
    file = folder / "schemathesis.toml"
    file.write_text(config(bearer))
    run = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(file)),
        *("run", f"{house.lite.url}/openapi.json", "--phases", "examples,coverage,fuzzing"),
        *("--request-timeout", "15", "--continue-on-failure", "--no-color", "--no-shrink", *options),
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), IDS: json.dumps(ids)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await run.communicate()
    assert run.returncode is not None
    return run.returncode, said.decode()
