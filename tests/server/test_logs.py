"""What a served process logs: one line a record, with the ids people search for, and nothing that breaks out."""

from __future__ import annotations

import json
import logging
import sys

import pytest

from orchestrator_lite import Blueprint
from orchestrator_lite._logs import JsonLines, Lines, configure
from tests._support.house import serving
from tests.conftest import run
from tests.server.flows import bare


def record(message: str, *arguments: object, exc_info: object = None, **about: object) -> logging.LogRecord:
    made = logging.LogRecord("orchestrator_lite.x", logging.WARNING, "x.py", 1, message, arguments, exc_info)
    for key, value in about.items():
        setattr(made, key, value)
    return made


def raised(text: str) -> tuple[object, ...]:
    try:
        raise ValueError(text)
    except ValueError:
        return sys.exc_info()


@pytest.mark.parametrize("evil", ["a\n2026 INFO forged", "\x1b[2Jcleared", "\r", "\u2028", "‮drow"])
def test_nothing_in_a_line_begins_another(evil):
    text = Lines("%(levelname)s %(message)s").format(record("said %s", evil, job_id=evil))
    assert text.isprintable()
    assert "forged" not in text or "\\n" in text
    assert json.loads(JsonLines().format(record("said %s", evil, job_id=evil)))["job_id"] == evil


def test_a_traceback_stays_below_its_line():
    evil = "boom\n2026-01-01 INFO forged"
    first, *rest = Lines("%(levelname)s %(message)s").format(record("failed", exc_info=raised(evil))).splitlines()
    assert first == "WARNING failed"
    assert rest
    assert all(line.startswith("    ") for line in rest)
    said = JsonLines().format(record("failed", exc_info=raised(evil)))
    assert said.count("\n") == 0
    assert "ValueError" in json.loads(said)["exception"]


def test_json_lines_name_what_they_are_about():
    said = json.loads(JsonLines().format(record("lost %d", 3, job_id="j", task_id="j-1", worker_id="w")))
    assert {key: said[key] for key in ("level", "logger", "message", "job_id", "task_id", "worker_id")} == {
        "level": "WARNING",
        "logger": "orchestrator_lite.x",
        "message": "lost 3",
        "job_id": "j",
        "task_id": "j-1",
        "worker_id": "w",
    }
    assert said["time"].endswith("+00:00")


def test_jobs_that_end_badly_are_told_with_their_ids_and_without_their_data(caplog):
    flow = Blueprint("raising", api_endpoint="/jobs/raising")

    @flow.handler(is_start=True)
    async def start(initial_data):
        raise RuntimeError("no luck")

    async def body():
        with caplog.at_level(logging.INFO, logger="orchestrator_lite"):
            async with serving(bare(), flow) as house:
                worker = await house.registered("w1", "greet")
                good = await house.create("/jobs/bare", {"secret": "swordfish"})
                await worker.answer(await worker.task(), data={"secret": "swordfish"})
                bad = await house.create("/jobs/raising", {"secret": "swordfish"})
                await house.ended(good)
                await house.ended(bad)
        told = {getattr(record, "job_id", None) for record in caplog.records}
        assert bad in told
        assert good not in told
        assert "swordfish" not in caplog.text

    run(body())


def test_served_at_debug_the_log_tells_no_headers_of_those_who_answer_webhooks(monkeypatch):
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    levels = {name: logging.getLogger(name).level for name in (None, "uvicorn", "httpcore")}
    try:
        configure("text", "DEBUG")
        assert logging.getLogger("orchestrator_lite.webhooks").isEnabledFor(logging.DEBUG)
        assert not logging.getLogger("httpcore.http11").isEnabledFor(logging.DEBUG)
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


@pytest.mark.parametrize("evil", ["x\nERROR forged", "\x1b[2J", "\u2028"])
def test_what_others_make_up_is_no_line_in_the_logs_of_those_who_embed_the_server(evil, caplog):
    flow = Blueprint(f"flow {evil}", api_endpoint="/jobs/flow")

    @flow.handler(f"begin {evil}", is_start=True)
    async def start(initial_data, actions):
        if initial_data:
            raise RuntimeError(evil)
        actions.dispatch_task("greet")

    async def body():
        with caplog.at_level(logging.DEBUG, logger="orchestrator_lite"):
            async with serving(flow) as house:
                worker = await house.registered("w1", "greet")
                raises, fails = await house.create("/jobs/flow", {evil: evil}), await house.create("/jobs/flow")
                error = {"code": "INTEGRITY_MISMATCH_ERROR", "message": evil, "details": {evil: evil}}
                await worker.answer(await worker.task(), "failure", error=error)
                again = await house.create("/jobs/flow")
                await worker.answer(await worker.task(), "failure", error={**error, "code": f"PERMANENT_ERROR{evil}"})
                await worker.send("PATCH", "/workers/w1", json={"status": evil, evil: evil})
                await house.ended(raises)
                await house.ended(fails)
                await house.cancel(again)

    run(body())
    told = [record.getMessage() for record in caplog.records if record.name.startswith("orchestrator_lite")]
    assert len(told) > 3
    assert [text for text in told if not text.isprintable()] == []
