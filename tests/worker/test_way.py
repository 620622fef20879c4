"""One task's way, end to end against a scripted orchestrator."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from pydantic import BaseModel

from avtomatika_client.protocol.clock import SYSTEM_CLOCK
from avtomatika_worker import (
    Context,
    DependencyError,
    InvalidInputError,
    PermanentError,
    ResourceExhaustedError,
    Result,
    Skill,
    TransientError,
    skill,
)
from tests.conftest import run
from tests.worker._peer import Peer
from tests.worker._setup import working


class Name(BaseModel):
    name: str


def answered(work: Skill[..., Any], *tasks: dict[str, Any] | bytes, **options: Any) -> list[Any]:
    """The results a worker gives for these tasks, by task id."""

    async def body() -> None:
        async with working(peer, skills=[work], **options):
            for task in tasks:
                peer.hand_out(task)
            await peer.until(lambda: len(peer.results) >= len(tasks))

    with Peer() as peer:
        run(body())
    return sorted(peer.results, key=lambda result: result["task_id"])


def a_task(**fields: Any) -> dict[str, Any]:
    return {"job_id": "job-1", "task_id": "task-1", "type": "work", "params": {}, "attempt": 1} | fields


def test_a_task_becomes_a_result_with_the_data_returned():
    @skill(name="work")
    async def work(params: Name, ctx: Context) -> dict[str, str]:
        return {"message": f"Hello, {params.name}!", "attempt": str(ctx.attempt)}

    [result] = answered(work, a_task(params={"name": "Ада"}, attempt=3))
    assert result["status"] == "success"
    assert result["data"] == {"message": "Hello, Ада!", "attempt": "3"}
    assert (result["job_id"], result["task_id"], result["attempt"], result["worker_id"]) == ("job-1", "task-1", 3, "w1")
    assert len(result["incarnation"]) == 32
    assert result["error"] is None


def test_what_a_skill_returns_is_the_data_even_if_it_looks_like_an_envelope():
    @skill(name="work")
    def work() -> Any:
        return {"status": "failed", "data": 1}

    assert answered(work, a_task())[0]["data"] == {"status": "failed", "data": 1}


def test_a_custom_status_and_none_are_passed_on():
    @skill(name="work")
    async def work(kind: str) -> Name | Result | None:
        return Result("needs_review", Name(name="x")) if kind == "custom" else None

    custom, nothing = answered(
        work, a_task(task_id="t1", params={"kind": "custom"}), a_task(task_id="t2", params={"kind": "none"})
    )
    assert (custom["status"], custom["data"]) == ("needs_review", {"name": "x"})
    assert (nothing["status"], nothing["data"]) == ("success", None)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (TransientError("x"), "TRANSIENT_ERROR"),
        (PermanentError("x"), "PERMANENT_ERROR"),
        (InvalidInputError("x"), "INVALID_INPUT_ERROR"),
        (ResourceExhaustedError("x"), "RESOURCE_EXHAUSTED_ERROR"),
        (DependencyError("x"), "DEPENDENCY_ERROR"),
        (ExceptionGroup("one", [PermanentError("x")]), "PERMANENT_ERROR"),
        # W3: only our own exceptions map to codes.
        (ValueError("x"), "TRANSIENT_ERROR"),
        (SystemExit("x"), "TRANSIENT_ERROR"),
    ],
)
def test_W3_only_declared_errors_decide_their_code_and_the_worker_lives_on(error: BaseException, code: str):
    @skill(name="work")
    async def work() -> None:
        raise error

    @skill(name="work")
    def plain() -> None:
        raise error

    for variant in (work, plain):
        first, second = answered(variant, a_task(task_id="t1"), a_task(task_id="t2"))
        assert first["status"] == second["status"] == "failure"
        assert first["error"]["code"] == code
        assert first["error"]["message"].endswith("x")


def test_unexpected_errors_carry_their_type_and_declared_ones_their_details():
    @skill(name="work")
    async def work(kind: str) -> None:
        if kind == "busy":
            raise TransientError("later", retry_after=5, details={"queue": 9})
        raise OSError(28, "disk full")

    busy, other = answered(
        work, a_task(task_id="t1", params={"kind": "busy"}), a_task(task_id="t2", params={"kind": "os"})
    )
    assert busy["error"] == {
        "code": "TRANSIENT_ERROR",
        "message": "later",
        "details": {"queue": 9, "retry_after": 5},
    }
    assert other["error"]["message"] == "OSError: [Errno 28] disk full"


def test_with_retry_on_every_other_error_is_permanent():
    @skill(name="work", retry_on=(OSError,))
    async def work(kind: str) -> None:
        raise OSError("net") if kind == "os" else ValueError("bug")

    known, other = answered(
        work, a_task(task_id="t1", params={"kind": "os"}), a_task(task_id="t2", params={"kind": "bug"})
    )
    assert known["error"]["code"] == "TRANSIENT_ERROR"
    assert other["error"]["code"] == "PERMANENT_ERROR"


def test_invalid_params_name_the_field_and_the_skill_is_not_called():
    calls = []

    @skill(name="work")
    async def work(params: Name) -> None:
        calls.append(params)

    [result] = answered(work, a_task(params={"name": 5}))
    assert result["error"]["code"] == "INVALID_INPUT_ERROR"
    assert result["error"]["message"] == "name: Input should be a valid string"
    assert result["error"]["details"][0]["field"] == "name"
    assert not calls


def test_what_is_no_json_is_a_contract_violation():
    @skill(name="work")
    async def work() -> Any:
        return {"handle": object()}

    [result] = answered(work, a_task())
    assert result["error"]["code"] == "CONTRACT_VIOLATION_ERROR"


def test_an_unknown_skill_is_answered_not_ignored():
    @skill(name="work")
    async def work() -> None: ...

    [result] = answered(work, a_task(type="nope"))
    assert result["error"]["code"] == "SKILL_UNKNOWN_ERROR"
    assert "work" in result["error"]["message"]


def test_W0_W8_a_task_that_cannot_be_decoded_is_answered_and_polling_goes_on():
    @skill(name="work")
    async def work() -> int:
        return 1

    results = answered(
        work,
        a_task(task_id="t1", type=None),
        a_task(task_id="t2", deadline="soon"),
        a_task(task_id="t3", attempt="x"),
        {"job_id": "j", "task_id": 4},
        a_task(task_id="t5"),
    )
    codes = [result["error"]["code"] if result["error"] else "ok" for result in results]
    assert codes == ["INVALID_INPUT_ERROR"] * 4 + ["ok"]


def test_I13_a_float_deadline_is_as_good_as_a_whole_one():
    @skill(name="work")
    async def work(ctx: Context) -> bool:
        remaining = ctx.remaining()
        return remaining is not None and 20 < remaining <= 30

    now = SYSTEM_CLOCK.now()
    first, second = answered(
        work, a_task(task_id="t1", deadline=now + 29.5), a_task(task_id="t2", deadline=int(now) + 30)
    )
    assert first["data"] is True
    assert second["data"] is True


def test_W4_a_deadline_ends_a_task_as_a_timeout():
    @skill(name="work", timeout=0.1)
    async def work() -> None:
        await SYSTEM_CLOCK.sleep(60)

    @skill(name="work")
    async def by_task() -> None:
        await SYSTEM_CLOCK.sleep(60)

    [result] = answered(work, a_task())
    assert result["error"]["code"] == "TIMEOUT_ERROR"
    [result] = answered(by_task, a_task(deadline=SYSTEM_CLOCK.now() + 0.3))
    assert result["error"]["code"] == "TIMEOUT_ERROR"
    [result] = answered(by_task, a_task(deadline=1))
    assert result["error"]["code"] == "TIMEOUT_ERROR"


def test_W4_a_value_that_comes_late_is_attached_to_the_timeout():
    @skill(name="work", timeout=0.1)
    def work(ctx: Context) -> dict[str, bool]:
        while not ctx.cancelled:
            SYSTEM_CLOCK.sleep_blocking(0.01)
        return {"late": True}

    [result] = answered(work, a_task())
    assert result["error"]["code"] == "TIMEOUT_ERROR"
    assert result["error"]["details"] == {"late_result": {"late": True}}


def test_a_function_that_does_not_end_at_its_deadline_is_reported_and_keeps_its_slot():
    @skill(name="work", timeout=0.1)
    def work() -> None:
        gate.wait(20)

    @skill
    async def quick() -> None: ...

    gate = threading.Event()

    async def body() -> None:
        async with working(peer, skills=[work, quick], limit=1):
            peer.hand_out(a_task(task_id="t1"))
            await peer.until(lambda: len(peer.results) == 1)
            assert peer.results[0]["error"]["details"] == {"still_running": True}
            polls = len(peer.of("poll"))
            peer.hand_out(a_task(task_id="t2", type="quick"))
            await peer.until(lambda: len(peer.of("heartbeat")) >= 2)
            assert len(peer.of("poll")) == polls
            gate.set()
            await peer.until(lambda: len(peer.results) == 2)

    with Peer() as peer:
        peer.interval = 0.2
        run(body())
    assert peer.of("heartbeat")[-1].body["status"] == "offline"


def test_a_skill_that_cancels_itself_fails_and_is_not_called_cancelled():
    @skill(name="work")
    async def work() -> None:
        raise asyncio.CancelledError

    [result] = answered(work, a_task())
    assert result["status"] == "failure"
    assert result["error"]["code"] == "TRANSIENT_ERROR"


def test_progress_reaches_the_server_over_the_socket_latest_word_wins():
    @skill(name="work")
    async def work(ctx: Context) -> None:
        for step in range(1000):
            await ctx.progress(step / 1000, f"{step}")
        await ctx.progress(7, "done")
        await peer.until(lambda: len(peer.of("frame")) > 0)

    async def body() -> None:
        async with working(peer, skills=[work]):
            await peer.until(lambda: peer.sockets == 1)
            peer.hand_out(a_task())
            await peer.until(lambda: len(peer.results) == 1)

    with Peer() as peer:
        run(body())
    frames = [seen.body for seen in peer.of("frame")]
    assert frames == [
        {
            "event": "progress_update",
            "type": "progress_update",
            "task_id": "task-1",
            "job_id": "job-1",
            "attempt": 1,
            "progress": 1.0,
            "message": "done",
        }
    ]


def test_progress_of_a_plain_function_needs_no_await_and_no_socket():
    @skill(name="work")
    def work(ctx: Context) -> int:
        ctx.progress(0.5)
        return 1

    [result] = answered(work, a_task())
    assert result["data"] == 1


def test_W4_a_deadline_that_passes_in_the_queue_is_a_timeout_too():
    gate = asyncio.Event()
    ran = []

    @skill(name="work", max_concurrent=1)
    async def work(number: int) -> None:
        ran.append(number)
        await gate.wait()

    async def body() -> None:
        async with working(peer, skills=[work]):
            peer.hand_out(a_task(task_id="t1", params={"number": 1}))
            await peer.until(lambda: len(peer.of("poll")) == 2)
            peer.hand_out(a_task(task_id="t2", params={"number": 2}, deadline=SYSTEM_CLOCK.now() + 0.3))
            await peer.until(lambda: len(peer.results) == 1)
            gate.set()
            await peer.until(lambda: len(peer.results) == 2)

    with Peer() as peer:
        run(body())
    assert peer.results[0]["error"]["code"] == "TIMEOUT_ERROR"
    assert ran == [1]


def test_details_that_are_no_json_do_not_hide_the_error():
    @skill(name="work")
    async def work() -> None:
        raise PermanentError("broken", details={"handle": object()})

    @skill(name="work")
    async def mute() -> None:
        raise Mute

    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    [result] = answered(work, a_task())
    assert result["error"] == {"code": "PERMANENT_ERROR", "message": "broken", "details": None}
    [result] = answered(mute, a_task())
    assert result["error"]["message"] == "Mute"


def test_params_of_ten_megabytes_and_deep_nesting_are_no_danger():
    @skill(name="work")
    async def work(params: dict[str, Any]) -> int:
        return len(params["x"])

    deep: list[Any] = []
    for _ in range(150):
        deep = [deep]
    large, nested = answered(
        work, a_task(task_id="t1", params={"x": "y" * 10_000_000}), a_task(task_id="t2", params={"x": deep})
    )
    assert large["data"] == 10_000_000
    assert nested["data"] == 1


def test_a_mistake_of_the_worker_itself_is_answered_too(monkeypatch, caplog):
    from avtomatika_worker import _hub

    @skill(name="work")
    async def work() -> int:
        return 1

    async def broken(*_: object) -> None:
        raise RuntimeError("our own bug")

    monkeypatch.setattr(_hub, "walk", broken)
    [result] = answered(work, a_task())
    assert result["error"]["code"] == "TRANSIENT_ERROR"
    assert "our own bug" in result["error"]["message"]
