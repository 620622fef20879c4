"""Who is let in: tokens on every route that needs one, and development mode for this machine alone."""

from __future__ import annotations

import logging
import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from starlette.routing import WebSocketRoute
from websockets.exceptions import InvalidStatus

from orchestrator_lite import Orchestrator, Settings
from orchestrator_lite.access import AccessError
from orchestrator_lite.api._app import application
from tests._support.house import House, serving
from tests.conftest import run
from tests.server.flows import greet

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

TOKENS = {"client_token": "secret-of-clients", "worker_token": "secret-of-workers"}
MISSING = {
    "/api": {"error": "Missing X-Client-Token header"},
    "/_worker": {"error": "Missing X-Worker-Token header or client certificate"},
}
INVALID = {
    "/api": {"error": "Unauthorized: Invalid token"},
    "/_worker": {"error": "Unauthorized: No valid token found"},
}


def routes(house: House) -> list[tuple[str, str]]:
    """Every route of the server as method and a path that matches it."""
    found = []
    for route in application().routes:
        path = re.sub(r"\{[^}]*\}", "x", route.path)
        if not isinstance(route, WebSocketRoute):
            found += [(method, path) for method in route.methods]
    assert len(found) >= 15
    return found


@pytest.mark.parametrize("tokens", [{}, TOKENS], ids=["development", "configured"])
def test_every_route_but_the_public_ones_needs_its_token(tokens):
    async def body():
        async with serving(greet(), **tokens, rate_limit_failures=0) as house:
            public = []
            for method, path in routes(house):
                area = "/" + path.split("/")[1]
                for sent, said in (({}, MISSING), ({"X-Client-Token": "x", "X-Worker-Token": "x"}, INVALID)):
                    reply = await house.http.request(method, path, headers=sent)
                    if area in {"/_public", "/readyz", "/livez", "/openapi.json"}:
                        public.append(path)
                        continue
                    if area == "/_files":  # the signature of the URL is the credential
                        assert reply.status_code == 403, (method, path)
                        continue
                    if path.endswith(("api/auth/token", "v1/auth/token", "/refresh")):  # who asks for it has none
                        assert reply.status_code == 400, (method, path)
                        continue
                    assert reply.status_code == 401, (method, path)
                    assert method == "HEAD" or reply.json() == said[area], (method, path)
            assert "/_public/status" in public

    run(body())


def test_a_token_of_the_other_kind_opens_nothing():
    async def body():
        async with serving(greet(), **TOKENS) as house:
            headers = {"X-Client-Token": TOKENS["worker_token"], "X-Worker-Token": TOKENS["client_token"]}
            assert (await house.http.get("/api/v1/workers", headers=headers)).status_code == 401
            assert (await house.http.patch("/_worker/workers/w1", headers=headers)).status_code == 401

    run(body())


def test_the_tokens_of_development_open_nothing_where_others_are_set():
    async def body():
        async with serving(greet(), **TOKENS) as house:
            headers = {"X-Client-Token": "dev-client-token", "X-Worker-Token": "dev-worker-token"}
            assert (await house.http.get("/api/v1/workers", headers=headers)).status_code == 401
            assert (await house.http.patch("/_worker/workers/w1", headers=headers)).status_code == 401

    run(body())


@pytest.mark.parametrize("path", ["/_worker/ws/w1", "/_worker/ws"])
@pytest.mark.parametrize("sent", [None, "wrong"])
def test_a_socket_without_its_token_is_refused_before_it_opens(path, sent):
    async def body():
        async with serving(**TOKENS) as house:
            socket = house.worker("w1").socket(path)
            socket.additional_headers = {} if sent is None else {"X-Worker-Token": sent}
            with pytest.raises(InvalidStatus) as refused:
                await socket
            assert refused.value.response.status_code == 401
            assert b"Unauthorized" in refused.value.response.body or b"Missing" in refused.value.response.body

    run(body())


def test_status_is_public():
    async def body():
        async with serving(**TOKENS) as house:
            reply = await house.http.get("/_public/status")
            assert reply.status_code == 200
            assert reply.json()["status"] == "ok"
            assert {"leases", "wait", "draining"} <= set(reply.json()["features"])

    run(body())


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": "192.168.1.5:8080"},
        {"Host": "localhost.evil.example:80"},
        {"X-Forwarded-For": "10.0.0.1"},
        {"X-Forwarded-Host": "127.0.0.1"},
        {"Forwarded": "for=10.0.0.1"},
        {"X-Real-IP": "10.0.0.1"},
        {"Via": "1.1 proxy"},
        {"Origin": "https://evil.example"},
        {"Origin": "http://localhost.evil.example"},
        {"Origin": "null"},
    ],
    ids=str,
)
def test_development_mode_answers_this_machine_alone(headers):
    async def body():
        async with serving(greet()) as house:
            for path in ("/_public/status", "/api/v1/workers"):
                reply = await house.http.get(path, headers={**house.client_headers, **headers})
                assert reply.status_code == 403
                assert "development mode" in reply.json()["error"]
            socket = house.worker("w1").socket()
            socket.additional_headers = {**house.worker("w1").headers, **headers}
            if "Host" not in headers:
                with pytest.raises(InvalidStatus) as refused:
                    await socket
                assert refused.value.response.status_code == 403
        async with serving(greet(), **TOKENS) as house:
            reply = await house.http.get("/api/v1/workers", headers={**house.client_headers, **headers})
            assert reply.status_code == 200, "with credentials set, proxies and names are the operator's matter"

    run(body())


@pytest.mark.parametrize("host", ["localhost", "localhost:8080", "LOCALHOST", "127.0.0.1", "127.8.8.8:1", "[::1]:80"])
def test_development_mode_knows_the_names_of_this_machine(host):
    async def body():
        async with serving() as house:
            assert (await house.http.get("/_public/status", headers={"Host": host})).status_code == 200

    run(body())


def test_in_development_mode_no_page_of_another_host_changes_anything():
    async def body():
        async with serving(greet()) as house:
            job_id = await house.create("/jobs/greet")
            for origin, status in (("https://evil.example", 403), ("null", 403), ("http://localhost:5173", 200)):
                assert (await house.api("GET", f"/jobs/{job_id}")).status_code == 200
                sent = {"Origin": origin, "Content-Type": "text/plain", "Sec-Fetch-Site": "cross-site"}
                reply = await house.http.post("/_public/debug/flush_db", headers=sent)
                assert reply.status_code == status, origin
            assert (await house.api("GET", f"/jobs/{job_id}")).status_code == 404

    run(body())


def test_no_cors_headers_are_sent():
    async def body():
        async with serving() as house:
            headers = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
            for method in ("GET", "OPTIONS"):
                reply = await house.http.request(method, "/_public/status", headers=headers)
                assert not [name for name in reply.headers if name.startswith("access-control")]

    run(body())


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org"])
def test_bound_to_others_without_credentials_it_refuses_to_start(host):
    async def body():
        async with Orchestrator([greet()]).listening(port=0, host=host):
            raise AssertionError("it started")

    with pytest.raises(AccessError, match="ORCHESTRATOR_LITE_CLIENT_TOKEN"):
        run(body())


@pytest.mark.parametrize("missing", TOKENS)
def test_one_token_without_the_other_is_refused(missing):
    settings = Settings(**{name: token for name, token in TOKENS.items() if name != missing})

    async def body():
        async with Orchestrator(settings=settings).listening(port=0):
            raise AssertionError("it started")

    with pytest.raises(AccessError, match="both"):
        run(body())


def test_asgi_without_credentials_is_refused_unless_development_is_asked_for():
    with pytest.raises(AccessError, match="development"):
        _ = Orchestrator([greet()]).asgi
    assert callable(Orchestrator([greet()], settings=Settings(development=True)).asgi)
    assert callable(Orchestrator([greet()], settings=Settings(**TOKENS)).asgi)


@asynccontextmanager
async def mounted(lite: Orchestrator, root_path: str) -> AsyncIterator[httpx.AsyncClient]:
    """The application behind a server that puts it under a path."""
    transport = httpx.ASGITransport(lite.asgi, root_path=root_path)
    async with (
        lite._running(lite._site.access),
        httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http,
    ):
        yield http


def test_under_a_root_path_every_route_still_needs_its_token_and_blueprints_are_served():
    async def body():
        lite = Orchestrator([greet()], settings=Settings(**TOKENS))
        async with mounted(lite, "/lite") as http:
            for method, path in [
                ("GET", "/lite/api/v1/workers"),
                ("POST", "/lite/api/v1/jobs/greet"),
                ("PATCH", "/lite/_worker/workers/w1"),
                ("POST", "/lite/_worker/workers/register"),
            ]:
                reply = await http.request(method, path, json={"worker_id": "w1"})
                assert reply.status_code == 401, (path, reply.text)
            headers = {"X-Client-Token": TOKENS["client_token"]}
            reply = await http.post("/lite/api/v1/jobs/greet", json={}, headers=headers)
            assert reply.status_code == 202

    run(body())


def test_tokens_stand_in_no_answer_and_no_log(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)

    async def body():
        async with serving(greet(), **TOKENS) as house:
            worker = await house.registered("w1", "greet", incarnation="secret-of-the-start")
            job_id = await house.create("/jobs/greet")
            task = await worker.task()
            async with worker.socket():
                await house.cancel(job_id)
            beat = await worker.beat(task, security={"signature": "secret-signature"}, nonce="secret-nonce")
            await worker.answer(task, "failure", error={"code": "PERMANENT_ERROR", "message": "no"})
            assert "secret-signature" not in repr(beat)
            assert "secret-nonce" not in repr(beat)
            workers = (await house.api("GET", "/workers")).json()
            answers: list[Any] = [workers, await house.ended(job_id), await house.history(job_id)]
            await house.http.get("/api/v1/workers", headers={"X-Client-Token": "secret-wrong"})
            assert "secret" not in repr(answers)
            assert "secret-of" not in repr((house.lite, house.lite.settings))

    run(body())
    server = [r.getMessage() for r in caplog.records if not r.name.startswith(("httpx", "httpcore", "websockets"))]
    assert not [text for text in server if "secret" in text]


def test_settings_come_from_arguments_else_the_environment_else_defaults(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ORCHESTRATOR_LITE_PORT", "8123")
    monkeypatch.setenv("ORCHESTRATOR_LITE_CLIENT_TOKEN", "secret-of-clients")
    monkeypatch.setenv("ORCHESTRATOR_LITE_STORE", "sqlite:///x.db")
    settings = Settings(store="memory")
    assert (settings.port, settings.store, settings.host) == (8123, "memory", "127.0.0.1")
    assert settings.client_token is not None
    assert settings.client_token.get_secret_value() == "secret-of-clients"
    assert "secret-of-clients" not in repr(settings) + str(settings) + settings.model_dump_json()
