"""The small parts: settings, slots, supervision, dialects, replies, context, errors, the definition itself."""

from __future__ import annotations

import asyncio
import copy
import logging
import pickle
import sys
from pathlib import Path

import pytest

import avtomatika_worker
from avtomatika_client._calls._flow import Reply
from avtomatika_client.protocol.clock import SYSTEM_CLOCK
from avtomatika_worker import (
    Context,
    PermanentError,
    SkillDefinitionError,
    SkillError,
    TaskCancelled,
    Worker,
    WorkerConfigError,
    errors,
    skill,
)
from avtomatika_worker._backoff import Backoff
from avtomatika_worker._cancel import Cancellation, Reason
from avtomatika_worker._dialect import read_dialect
from avtomatika_worker._replies import error_text, is_superseded, retry_after
from avtomatika_worker._settings import state_folder, targets
from avtomatika_worker._slots import Slots
from avtomatika_worker._supervise import supervise
from tests.conftest import run


def test_the_public_names_are_there_and_nothing_is_loaded_before_it_is_used():
    for name in avtomatika_worker.__all__:
        assert getattr(avtomatika_worker, name).__name__
    assert sorted(avtomatika_worker.__all__) == avtomatika_worker.__all__
    assert set(errors.__all__) <= set(avtomatika_worker.__all__)
    with pytest.raises(AttributeError, match="nope"):
        avtomatika_worker.nope  # noqa: B018
    assert "Worker" in dir(avtomatika_worker)


def test_settings_come_from_the_argument_then_the_environment_then_the_default():
    environ = {"AVTOMATIKA_URL": "http://env:1, https://other/", "AVTOMATIKA_WORKER_TOKEN": "env"}
    assert [target.url for target in targets("http://arg/", "t", environ)] == ["http://arg"]
    assert [(target.url, target.token) for target in targets(None, None, environ)] == [
        ("http://env:1", "env"),
        ("https://other", "env"),
    ]
    [default] = targets(None, None, {})
    assert (default.url, default.token) == ("http://127.0.0.1:8080", "dev-worker-token")
    assert "dev-worker-token" not in repr(default)


@pytest.mark.parametrize("url", ["ftp://x", "x", "http://", "", "http://h:99999", "http://[::1"])
def test_a_url_that_is_none_is_refused(url: str):
    with pytest.raises(WorkerConfigError):
        targets(url, "t", {})


def test_the_development_token_never_leaves_this_machine():
    for url in ("http://localhost:1", "http://[::1]:1", "http://127.9.9.9"):
        assert targets(url, None, {})[0].token == "dev-worker-token"
    with pytest.raises(WorkerConfigError, match="AVTOMATIKA_WORKER_TOKEN"):
        targets("http://127.0.0.1.example.com", None, {})


def test_state_lies_where_the_platform_wants_it():
    assert state_folder({"AVTOMATIKA_STATE_DIR": "/s"}) == Path("/s/avtomatika")
    assert state_folder({"XDG_STATE_HOME": "/x"}, "linux") == Path("/x/avtomatika")
    assert state_folder({}, "linux") == Path.home() / ".local/state/avtomatika"
    assert state_folder({}, "darwin") == Path.home() / "Library/Application Support/avtomatika"
    assert state_folder({"LOCALAPPDATA": "/l"}, "win32") == Path("/l/avtomatika")


def test_slots_are_given_in_the_order_of_asking_and_cannot_leak():
    async def body() -> None:
        slots = Slots(1)
        assert slots.take_now("a")
        order = []

        async def take(name: str) -> None:
            await slots.take(name)
            order.append(name)

        waiting = [asyncio.create_task(take(name)) for name in "bcd"]
        await SYSTEM_CLOCK.sleep(0)
        waiting[1].cancel()
        slots.release("a")
        slots.release("a")
        await waiting[0]
        assert not slots.free
        slots.release("b")
        await waiting[2]
        assert order == ["b", "d"]
        watcher = asyncio.create_task(slots.until_free())
        await SYSTEM_CLOCK.sleep(0)
        slots.release("d")
        await watcher
        assert slots.taken == 0

    run(body())


def test_W0_nothing_a_step_raises_ends_a_loop_and_the_same_trouble_is_told_once(caplog):
    troubles = [
        ValueError("a"),
        ValueError("a"),
        asyncio.CancelledError(),
        KeyError("b"),
        OSError(),
        None,
        ValueError("a"),
    ]
    pauses = []

    async def step() -> bool:
        if not troubles:
            return False
        if (trouble := troubles.pop(0)) is not None:
            raise trouble
        return True

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    with caplog.at_level(logging.ERROR):
        run(supervise("test", step, pause))
    assert len(pauses) == 6
    assert all(0 < seconds <= 5 for seconds in pauses)
    assert len(caplog.records) == 5


def test_a_supervised_loop_is_cancelled_from_outside():
    async def body() -> None:
        loop = asyncio.create_task(supervise("test", lambda: SYSTEM_CLOCK.sleep(60), SYSTEM_CLOCK.sleep))
        await SYSTEM_CLOCK.sleep(0)
        loop.cancel()
        with pytest.raises(asyncio.CancelledError):
            await loop

    run(body())


def test_backoff_grows_to_its_cap_and_honours_the_server():
    backoff = Backoff()
    waits = [backoff.next() for _ in range(50)]
    assert all(0.1 <= wait <= 5 for wait in waits)
    assert max(waits) > 1
    assert backoff.next(60) == 60
    backoff.reset()
    assert backoff.next() <= 0.3


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("5", 5),
        ("0.5", 0.5),
        ("-1", 0),
        ("nan", 0),
        ("99999", 300),
        ("soon", 0),
        ("", 0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
    ],
)
def test_retry_after_is_read_in_all_its_forms(header: str, seconds: float):
    assert retry_after(Reply(status=429, headers={"retry-after": header}, content=b""), SYSTEM_CLOCK) == seconds


def test_a_servers_words_are_shortened_and_cleaned():
    def reply(content: bytes) -> Reply:
        return Reply(status=409, headers={}, content=content)

    assert error_text(reply(b'{"error": "no"}')) == "no"
    assert error_text(reply(b'{"detail": [1]}')) == '{"detail": [1]}'
    assert error_text(reply(b"<b>\x1b[31m\n" + b"x" * 5000)) == "<b> [31m " + "x" * 291
    assert error_text(reply(b"")) == "(no text)"
    assert is_superseded(reply(b'{"error": "superseded by abc"}'))
    assert not is_superseded(reply(b'{"error": "conflict"}'))


def test_a_dialect_is_read_from_whatever_the_server_answers():
    assert read_dialect({}, b'{"status":"ok","features":["leases"]}').leases
    assert not read_dialect({}, b"<html>").leases
    assert read_dialect({}, b"").nested_results
    assert not read_dialect({"x-rxon-version": "1.0b3"}, b"").nested_results
    assert not read_dialect({"x-rxon-version": "1.0b3"}, b"").skill_objects
    assert read_dialect({"x-rxon-version": "1.0b17"}, b"").skill_objects
    assert read_dialect({"x-rxon-version": "2.1"}, b"").skill_objects


def test_a_context_can_be_made_by_hand():
    token = Cancellation()
    said = []
    ctx = Context(
        task_id="t",
        job_id="j",
        skill="s",
        deadline=SYSTEM_CLOCK.monotonic() + 10,
        cancellation=token,
        report=lambda fraction, message: said.append((fraction, message)),
    )
    remaining = ctx.remaining()
    assert remaining is not None
    assert 9 < remaining <= 10
    ctx.raise_if_cancelled()
    ctx.progress(-3)
    ctx.progress(1, "done")
    assert said == [(0.0, None), (1.0, "done")]
    for nonsense in (float("nan"), "half", None):
        with pytest.raises(ValueError, match="Progress"):
            ctx.progress(nonsense)
    token.request(Reason.INTERRUPTED)
    token.request(Reason.CANCELLED)
    assert ctx.cancelled
    with pytest.raises(TaskCancelled, match="going down"):
        ctx.raise_if_cancelled()
    assert Context(task_id="t", job_id="j", skill="s").remaining() is None


def test_a_tasks_log_names_task_and_job(caplog):
    with caplog.at_level(logging.INFO, "avtomatika_worker.task"):
        Context(task_id="t-1", job_id="j-1", skill="ocr").log.info("page %d", 3)
    [record] = caplog.records
    assert record.getMessage() == "[ocr t-1] page 3"
    assert (record.task_id, record.job_id, record.skill, record.attempt) == ("t-1", "j-1", "ocr", 1)


def test_errors_have_a_default_message_pickle_and_copy():
    assert str(PermanentError()) == "The task failed; trying again will not help."
    error = PermanentError("x", retry_after=3, details={"a": 1})
    for twin in (pickle.loads(pickle.dumps(error)), copy.deepcopy(error)):
        assert (str(twin), twin.retry_after, twin.details, twin.code) == ("x", 3, {"a": 1}, "PERMANENT_ERROR")
    assert issubclass(PermanentError, SkillError)


def test_constructing_a_worker_touches_nothing(monkeypatch, tmp_path):
    monkeypatch.setenv("AVTOMATIKA_STATE_DIR", str(tmp_path))
    monkeypatch.setenv("AVTOMATIKA_URL", "not a url")

    def audit(event: str, _: object) -> None:
        if watching and event in ("open", "socket.connect", "sqlite3.connect", "os.mkdir"):
            seen.append(event)

    seen: list[str] = []
    watching = False
    sys.addaudithook(audit)
    Worker("warm up")
    watching = True
    worker = Worker("gpu", 3, journal=tmp_path / "x.db")
    watching = False
    assert not seen
    assert not list(tmp_path.iterdir())
    assert worker.worker_type == "gpu"
    assert worker.definition().limit == 3


def test_a_worker_that_cannot_be_is_refused_when_it_is_written_down():
    @skill(name="same")
    def one() -> None: ...

    @skill(name="same")
    def two() -> None: ...

    with pytest.raises(SkillDefinitionError, match="Two skills named 'same'"):
        Worker(skills=[one, two])
    with pytest.raises(SkillDefinitionError, match="@skill"):
        Worker(skills=[lambda: None])  # type: ignore[list-item]
    for limit in (0, -1, 1.5, True, "3"):
        with pytest.raises(WorkerConfigError, match="max_concurrent_tasks"):
            Worker("x", limit)  # type: ignore[arg-type]
    with pytest.raises(WorkerConfigError, match="worker_type"):
        Worker("")
    with pytest.raises(WorkerConfigError, match="Not a worker id"):
        Worker(worker_id="a b")
    worker = Worker(skills=[one])
    worker.add(one)
    assert worker.skills == (one,)
    assert "same" in repr(worker)
