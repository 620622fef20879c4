"""Workers with tokens of their own (`workers.toml`): on every route a token is good for its worker alone."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from orchestrator_lite.api._app import application
from orchestrator_lite.api._front import REFRESH
from tests._support.house import House, serving, soon, until
from tests.conftest import run
from tests.server.flows import greet

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

COMMON = "token-of-all-the-workers"
OWN = {"w1": "own-token-of-worker-1", "w2": "own-token-of-worker-2"}
INDIVIDUAL = {"error": "Unauthorized: Invalid individual worker token"}
UNKNOWN = {"error": "Unauthorized: No valid token found"}


def written(path: Path, tokens: dict[str, str]) -> Path:
    path.write_text("".join(f'[{worker_id}]\ntoken = "{token}"\n' for worker_id, token in tokens.items()))
    return path


@asynccontextmanager
async def house_with(tmp_path: Path, **settings: Any) -> AsyncIterator[House]:
    """A server where w1 and w2 have tokens of their own."""
    given = {"client_token": "token-of-the-clients", "worker_token": COMMON, "rate_limit_failures": 0, **settings}
    async with serving(greet(), workers_file=written(tmp_path / "workers.toml", OWN), **given) as house:
        yield house


def sent(token: str, worker_id: str | None = None) -> dict[str, str]:
    headers = {"X-Worker-Token": token}
    return headers if worker_id is None else {**headers, "X-Worker-ID": worker_id}


def worker_routes() -> list[tuple[str, str]]:
    """Every HTTP route of workers, as worker w1 would call it."""
    found = []
    for route in application().routes:
        if route.path.startswith("/_worker/") and hasattr(route, "methods") and route.path != REFRESH:
            path = route.path.replace("{worker_id}", "w1").replace("{filename:filename}", "x.txt")
            found += [(method, path.replace("{", "").replace("}", "")) for method in route.methods]
    assert len(found) >= 8
    return sorted(found)


@pytest.mark.parametrize(
    ("token", "said"), [(COMMON, INDIVIDUAL), (OWN["w2"], INDIVIDUAL), ("a-token-nobody-has", INDIVIDUAL)]
)
def test_every_route_refuses_other_tokens_for_a_worker_that_has_its_own(tmp_path: Path, token: str, said: Any):
    async def body():
        async with house_with(tmp_path) as house:
            for method, path in worker_routes():
                reply = await house.http.request(method, path, headers=sent(token, "w1"), json={"worker_id": "w1"})
                assert reply.status_code == 401, (method, path)
                assert method == "HEAD" or reply.json() == said, (method, path)

    run(body())


def test_the_token_of_all_is_good_for_every_other_worker_and_an_own_one_for_none(tmp_path: Path):
    async def body():
        async with house_with(tmp_path) as house:
            beat = {"worker_id": "w3"}
            assert (await house.http.patch("/_worker/workers/w3", headers=sent(COMMON, "w3"))).status_code == 200
            reply = await house.http.patch("/_worker/workers/w3", headers=sent(OWN["w1"], "w3"), json=beat)
            assert (reply.status_code, reply.json()) == (401, UNKNOWN)

    run(body())


def test_what_a_body_says_counts_as_much_as_the_path(tmp_path: Path):
    async def body():
        async with house_with(tmp_path) as house:
            register = {"worker_id": "w1", "supported_skills": ["greet"]}
            for token, named in ((COMMON, None), (COMMON, "w3"), (OWN["w2"], None), (OWN["w2"], "w2")):
                reply = await house.http.post("/_worker/workers/register", headers=sent(token, named), json=register)
                assert (reply.status_code, reply.json()) == (401, INDIVIDUAL)
            for named in (None, "w1"):
                headers = sent(OWN["w1"], named)
                reply = await house.http.post("/_worker/workers/register", headers=headers, json=register)
                assert reply.status_code == 200

    run(body())


def test_with_its_own_token_a_worker_works_and_its_files_and_results_are_taken(tmp_path: Path):
    async def body():
        async with house_with(tmp_path) as house:
            worker = house.worker("w1", "greet")
            own = sent(OWN["w1"], "w1")
            job_id = await house.create("/jobs/greet")
            await worker.send(
                "POST", "/workers/register", headers=own, json={"worker_id": "w1", "supported_skills": ["greet"]}
            )
            task = (await worker.send("GET", "/workers/w1/tasks/next", headers=own)).json()
            reply = await worker.send("PUT", f"/jobs/{job_id}/files/content/a.txt", headers=own, content=b"a")
            assert reply.status_code == 200
            result = {
                "job_id": job_id,
                "task_id": task["task_id"],
                "worker_id": "w1",
                "status": "success",
                "data": {"a": 1},
            }
            reply = await worker.send("POST", "/tasks/result", headers=own, json=result)
            assert reply.json()["status"] == "result_accepted_success"
            assert (await house.ended(job_id))["status"] == "finished"

    run(body())


def test_what_belongs_to_the_task_of_another_worker_is_closed_to_every_other_token(tmp_path: Path):
    async def body():
        async with house_with(tmp_path) as house:
            await house.http.post(
                "/_worker/workers/register",
                headers=sent(OWN["w1"]),
                json={"worker_id": "w1", "supported_skills": ["greet"]},
            )
            job_id = await house.create("/jobs/greet")
            poll = await house.http.get("/_worker/workers/w1/tasks/next", headers=sent(OWN["w1"]))
            task = poll.json()["task_id"]
            call = {"skill": "greet", "attempt": 1, "key": "k"}
            begun = await house.http.post(f"/_worker/tasks/{task}/calls", headers=sent(OWN["w1"]), json=call)
            child = begun.json()["job_id"]
            routes: list[tuple[str, str, dict[str, Any]]] = [
                ("POST", f"/tasks/{task}/calls", {"json": call}),
                ("GET", f"/tasks/{task}/calls/{child}", {}),
                ("DELETE", f"/tasks/{task}/calls/{child}", {}),
                ("PUT", f"/tasks/{task}/checkpoint?attempt=1", {"json": 1}),
                ("GET", f"/jobs/{job_id}/files", {}),
                ("PUT", f"/jobs/{job_id}/files/content/a.txt", {"content": b"a"}),
                ("DELETE", f"/jobs/{job_id}/files/content/a.txt", {}),
            ]
            for headers in (sent(OWN["w2"]), sent(OWN["w2"], "w2"), sent(COMMON, "w3"), sent(COMMON)):
                for method, path, sending in routes:
                    reply = await house.http.request(method, f"/_worker{path}", headers=headers, **sending)
                    assert reply.status_code in {401, 403}, (headers, method, path, reply.text)
                event = {"event_type": "note", "task_id": task, "payload": {}}
                reply = await house.http.post("/_worker/events", headers=headers, json=event)
                assert reply.json()["reason"] == "stale_task", headers
            own = sent(OWN["w1"])  # its token tells who it is
            for method, path, sending in (*routes[:4], routes[5], routes[4], routes[6]):
                reply = await house.http.request(method, f"/_worker{path}", headers=own, **sending)
                assert reply.is_success, (method, path, reply.text)
            event = {"event_type": "note", "task_id": task, "payload": {}}
            reply = await house.http.post("/_worker/events", headers=own, json=event)
            assert reply.json() == {"status": "event_accepted"}

    run(body())


def test_a_result_in_the_name_of_another_is_403_and_one_for_anothers_task_is_ignored(tmp_path: Path):
    async def body():
        async with house_with(tmp_path) as house:
            own = sent(OWN["w1"], "w1")
            job_id = await house.create("/jobs/greet")
            worker = house.worker("w1", "greet")
            await worker.send(
                "POST", "/workers/register", headers=own, json={"worker_id": "w1", "supported_skills": ["greet"]}
            )
            task = (await worker.send("GET", "/workers/w1/tasks/next", headers=own)).json()
            result = {"job_id": job_id, "task_id": task["task_id"], "status": "success"}

            async def delivered(headers: dict[str, str], name: str) -> tuple[int, dict[str, Any]]:
                reply = await house.http.post(
                    "/_worker/tasks/result", headers=headers, json={**result, "worker_id": name}
                )
                return reply.status_code, reply.json()

            for headers in (sent(OWN["w2"], "w2"), sent(OWN["w2"])):
                code, said = await delivered(headers, "w1")
                assert code == 403
                assert said["error"] == (
                    "Forbidden: Authenticated worker 'w2' cannot submit results for another worker 'w1'."
                )
            code, said = await delivered(sent(OWN["w2"], "w2"), "w2")
            assert (code, said["status"], said["reason"]) == (200, "ignored", "worker_mismatch")
            code, said = await delivered(sent(COMMON), "w1")
            assert (code, said) == (401, INDIVIDUAL)
            assert (await house.job(job_id))["status"] == "waiting_for_worker"
            assert (await delivered(own, "w1"))[1]["status"] == "result_accepted_success"

    run(body())


@pytest.mark.parametrize("path", ["/_worker/ws/w1", "/_worker/ws"])
@pytest.mark.parametrize("token", [COMMON, OWN["w2"]])
def test_a_socket_needs_the_workers_own_token(tmp_path: Path, path: str, token: str):
    async def body():
        async with house_with(tmp_path) as house:
            socket = house.worker("w1").socket(path)
            socket.additional_headers = sent(token, "w1")
            with pytest.raises(InvalidStatus) as refused:
                await socket
            assert refused.value.response.status_code == 401

    run(body())


def test_a_socket_that_names_nobody_is_that_of_its_tokens_owner(tmp_path: Path):
    async def body():
        async with house_with(tmp_path) as house:
            socket = house.worker("w1").socket("/_worker/ws")
            socket.additional_headers = sent(OWN["w1"])
            async with socket:
                await until(lambda: "w1" in house.lite._site.core.channels._open)

    run(body())


def test_reload_takes_new_tokens_at_once_and_closes_the_sockets_of_the_old(tmp_path: Path):
    async def body():
        async with house_with(tmp_path) as house:
            socket = house.worker("w1").socket()
            socket.additional_headers = sent(OWN["w1"])
            other = house.worker("w2").socket()
            other.additional_headers = sent(OWN["w2"])
            async with socket as open_socket, other as unchanged:
                await until(lambda: len(house.lite._site.core.channels._open) == 2)
                written(tmp_path / "workers.toml", {**OWN, "w1": "the-new-token-of-w1"})
                reply = await house.api("POST", "/admin/reload-workers")
                assert (reply.status_code, reply.json()) == (200, {"status": "worker_configs_reloaded"})
                with pytest.raises(ConnectionClosed) as closed:
                    await soon_received(open_socket)
                assert closed.value.rcvd is not None
                assert closed.value.rcvd.code == 1008
                assert await (await unchanged.ping()) >= 0
            for token, status in ((OWN["w1"], 401), ("the-new-token-of-w1", 200)):
                reply = await house.http.patch("/_worker/workers/w1", headers=sent(token))
                assert reply.status_code == status

    run(body())


def test_a_poll_that_was_opened_with_a_token_that_is_gone_gets_no_task(tmp_path: Path):
    async def body():
        async with house_with(tmp_path) as house:
            for worker_id in ("w1", "w2"):
                register = {"worker_id": worker_id, "supported_skills": ["greet"]}
                await house.http.post("/_worker/workers/register", headers=sent(OWN[worker_id]), json=register)
            polls = []
            for worker_id in ("w1", "w2"):
                path = f"/_worker/workers/{worker_id}/tasks/next"
                polls.append(asyncio.create_task(house.http.get(path, headers=sent(OWN[worker_id]))))
                await house.holds_poll(worker_id)
            written(tmp_path / "workers.toml", {**OWN, "w1": "the-new-token-of-w1"})
            assert (await house.api("POST", "/admin/reload-workers")).status_code == 200
            assert (await soon(polls[0])).status_code == 204
            job_id = await house.create("/jobs/greet")
            assert (await soon(polls[1])).json()["job_id"] == job_id

    run(body())


async def soon_received(socket: Any) -> Any:
    return await soon(asyncio.ensure_future(socket.recv()))


@pytest.mark.parametrize("path", ["/api/v1/admin/reload-workers", "/api/admin/reload-workers"])
def test_a_bad_file_is_told_and_what_was_read_before_holds_on(tmp_path: Path, path: str):
    async def body():
        async with house_with(tmp_path) as house:
            (tmp_path / "workers.toml").write_text("[w1]\ntoken = 5\n")
            reply = await house.http.post(path, headers=house.client_headers)
            assert reply.status_code == 422
            assert "workers.toml:2: [w1] token: must be a text" in reply.json()["error"]
            assert (await house.http.patch("/_worker/workers/w1", headers=sent(OWN["w1"]))).status_code == 200

    run(body())


def test_reload_without_a_file_changes_nothing():
    async def body():
        async with serving() as house:
            reply = await house.api("POST", "/admin/reload-workers")
            assert (reply.status_code, reply.json()) == (200, {"status": "worker_configs_reloaded"})
            assert (await house.registered("w1", "greet")).worker_id == "w1"

    run(body())


async def lent(house: House, token: str, worker_id: str | None = None) -> dict[str, Any]:
    reply = await house.http.post("/_worker/auth/token", headers=sent(token, worker_id))
    assert reply.status_code == 200, reply.text
    return reply.json()


@pytest.mark.parametrize(("token", "worker_id"), [(OWN["w1"], "w1"), (COMMON, "w3")])
def test_an_access_token_stands_for_the_credential_of_one_worker_for_an_hour(
    tmp_path: Path, token: str, worker_id: str
):
    async def body():
        async with house_with(tmp_path) as house:
            given = await lent(house, token, worker_id)
            assert (given["expires_in"], given["worker_id"]) == (3600, worker_id)
            access = given["access_token"]
            path = f"/_worker/workers/{worker_id}"
            assert (await house.http.patch(path, headers=sent(access))).status_code == 200
            other = await house.http.patch("/_worker/workers/w2", headers=sent(access))
            assert other.status_code == 401
            said = f"Unauthorized: Access Token belongs to '{worker_id}', but request is for 'w2'"
            assert other.json() == {"error": said}
            refresh = await house.http.patch(path, headers=sent(given["refresh_token"]))
            assert refresh.status_code == 401, "a refresh token opens nothing"
            house.clock.jump(3601)
            assert (await house.http.patch(path, headers=sent(access))).status_code == 401
            again = await house.http.post(
                REFRESH, json={"refresh_token": given["refresh_token"]}, headers=sent("x", worker_id)
            )
            assert again.status_code == 200
            assert (await house.http.patch(path, headers=sent(again.json()["access_token"]))).status_code == 200

    run(body())


def test_with_the_token_of_all_a_worker_that_names_itself_nowhere_is_lent_nothing(tmp_path: Path):
    async def body():
        async with house_with(tmp_path) as house:
            assert (await lent(house, OWN["w2"]))["worker_id"] == "w2"
            reply = await house.http.post("/_worker/auth/token", headers=sent(COMMON))
            assert (reply.status_code, reply.json()["error"][:11]) == (400, "X-Worker-ID")

    run(body())


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"refresh_token": 5}, 400),
        ({"refresh_token": ""}, 400),
        ({"refresh_token": "a.b.c"}, 403),
        ([], 400),
    ],
)
def test_what_is_no_refresh_token_is_refused(tmp_path: Path, body: Any, status: int):
    async def go():
        async with house_with(tmp_path) as house:
            assert (await house.http.post(REFRESH, json=body)).status_code == status

    run(go())


def test_lent_tokens_end_with_the_credential_they_were_lent_against(tmp_path: Path):
    async def body():
        async with house_with(tmp_path) as house:
            given = await lent(house, OWN["w1"], "w1")
            kept = await lent(house, OWN["w2"], "w2")
            written(tmp_path / "workers.toml", {**OWN, "w1": "the-new-token-of-w1"})
            await house.api("POST", "/admin/reload-workers")
            assert (
                await house.http.patch("/_worker/workers/w1", headers=sent(given["access_token"]))
            ).status_code == 401
            reply = await house.http.post(REFRESH, json={"refresh_token": given["refresh_token"]})
            assert (reply.status_code, reply.json()) == (
                403,
                {"error": "Unauthorized: Invalid refresh token (not found)"},
            )
            assert (
                await house.http.patch("/_worker/workers/w2", headers=sent(kept["access_token"]))
            ).status_code == 200

    run(body())


@pytest.mark.parametrize("token", ["a.b.c", "W1tbW1tb." * 2 + "x", "e30." * 2 + "e30", "." * 2, "é.ü.ß"])
def test_a_token_that_only_looks_like_a_lent_one_is_nobodys(tmp_path: Path, token: str):
    async def body():
        async with house_with(tmp_path) as house:
            headers = [(b"X-Worker-Token", token.encode("latin-1"))]
            reply = await house.http.patch("/_worker/workers/w3", headers=headers)
            assert (reply.status_code, reply.json()) == (401, UNKNOWN)

    run(body())
