"""Tokens for people: `POST /api/auth/token` in the form of seed 004, argon2 and JWT behind it."""

from __future__ import annotations

import asyncio
import json
import logging
from base64 import b64encode
from typing import TYPE_CHECKING, Any
from uuid import UUID

import jwt
import pytest
from starlette.requests import Request

from orchestrator_lite.access import _people, hash_password
from orchestrator_lite.api._identity import person_of
from orchestrator_lite.api._site import KEY
from tests._support.house import House, serving, until
from tests.conftest import run

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

PASSWORD = "correct horse battery staple"
HASH = hash_password(PASSWORD)
TOKENS = {"client_token": "a-token-of-the-clients", "worker_token": "a-token-of-the-workers"}
PEOPLE = {**TOKENS, "users": {"ada": HASH}}
HOSTILE = [
    b"[" * 2_500,
    b"[" * 40_000,
    b'{"alg": ' + b"1" * 2_900 + b"}",
    b'{"alg": null}',
    b"\xff\xfe",
    b'{"alg": "HS256", "b64": false}',
]
SECRET = "a-secret-of-thirty-two-characters-"


async def sign_in(house: House, username: Any = "ada", password: Any = PASSWORD, **headers: str) -> httpx.Response:
    body = {"username": username, "password": password}
    return await house.http.post("/api/auth/token", json=body, headers=headers)


async def person(house: House, token: str, scheme: str = "Bearer") -> Any:
    """Who the server takes the holder of a token for."""
    headers = [(b"authorization", f"{scheme} {token}".encode())]
    return await person_of(Request({"type": "http", "headers": headers, KEY: house.lite._site}))


@pytest.mark.parametrize("path", ["/api/auth/token", "/api/v1/auth/token"])
def test_who_knows_the_password_gets_a_token_that_says_who_they_are(path: str):
    async def body():
        async with serving(**PEOPLE) as house:
            reply = await house.http.post(path, json={"username": "ada", "password": PASSWORD})
            assert reply.status_code == 200
            given = reply.json()
            assert (given["token_type"], given["expires_in"]) == ("Bearer", 3600)
            for scheme in ("Bearer", "bearer"):
                user = await person(house, given["access_token"], scheme)
                assert user.name == "ada"
                assert UUID(user.id)
            assert await person(house, given["access_token"], "Basic") is None
            assert reply.headers["X-RateLimit-Limit"] == "60"

    run(body())


def test_a_token_lives_as_long_as_it_says_by_the_servers_clock():
    async def body():
        async with serving(**PEOPLE, token_lifetime=600) as house:
            given = (await sign_in(house)).json()
            assert given["expires_in"] == 600
            house.clock.jump(590)
            assert await person(house, given["access_token"]) is not None
            house.clock.jump(20)
            assert await person(house, given["access_token"]) is None

    run(body())


def test_tokens_survive_a_restart_and_a_change_of_password_ends_them(tmp_path: Path):
    async def body():
        store = f"sqlite:///{tmp_path}/lite.db"
        async with serving(**PEOPLE, store=store) as house:
            token = (await sign_in(house)).json()["access_token"]
            before = await person(house, token)
        async with serving(**PEOPLE, store=store) as house:
            assert await person(house, token) == before
        async with serving(**TOKENS, users={"ada": hash_password("another")}, store=store) as house:
            assert await person(house, token) is None
        async with serving(**TOKENS, store=store) as house:
            assert await person(house, token) is None, "nobody of that name is left"

    run(body())


def test_with_a_secret_of_the_settings_servers_take_each_others_tokens():
    async def body():
        async with serving(**PEOPLE, jwt_secret=SECRET) as one, serving(**PEOPLE, jwt_secret=SECRET) as two:
            assert await person(two, (await sign_in(one)).json()["access_token"]) is not None
        async with serving(**PEOPLE) as one, serving(**PEOPLE) as two:
            assert await person(two, (await sign_in(one)).json()["access_token"]) is None

    run(body())


def test_a_forged_token_is_nobodys():
    async def body():
        async with serving(**PEOPLE, jwt_secret=SECRET) as house:
            token = (await sign_in(house)).json()["access_token"]
            claims = jwt.decode(token, options={"verify_signature": False})
            head, said, signature = token.split(".")
            forged = [
                "",
                "x",
                "a.b.c",
                f"{head}.{said}.",
                f"{head}.{said}.{signature[:-4]}AAAA",
                jwt.encode(claims, "another-secret-of-thirty-two-chars", "HS256"),
                jwt.encode(claims, "", "none"),
                *(f"{b64encode(text).decode().rstrip('=')}.{said}.{signature}" for text in HOSTILE),
                "é.ü.\x00",
                jwt.encode(claims, SECRET + SECRET, "HS512"),
                *(jwt.encode({**claims, key: "x"}, SECRET, "HS256") for key in ("aud", "iss", "sub", "pwd", "exp")),
                *(
                    jwt.encode({name: value for name, value in claims.items() if name != left_out}, SECRET, "HS256")
                    for left_out in ("aud", "iss", "sub", "pwd", "exp")
                ),
            ]
            assert [await person(house, one) for one in forged] == [None] * len(forged)
            assert await person(house, jwt.encode(claims, SECRET, "HS256")) is not None

    run(body())


def test_a_token_of_later_counts_from_then_on():
    async def body():
        async with serving(**PEOPLE, jwt_secret=SECRET) as house:
            claims = jwt.decode((await sign_in(house)).json()["access_token"], options={"verify_signature": False})
            later = jwt.encode({**claims, "nbf": claims["iat"] + 60}, SECRET, "HS256")
            assert await person(house, later) is None
            assert await person(house, jwt.encode({**claims, "nbf": "x"}, SECRET, "HS256")) is None
            house.clock.jump(61)
            assert await person(house, later) is not None

    run(body())


@pytest.mark.parametrize(
    ("body", "details"),
    [
        (b"", {"body": "Invalid JSON body"}),
        (b"[1]", None),
        (b'{"username": "ada", "password": "\\ud800"}', None),
        (b"{", {"body": "Invalid JSON body"}),
        (b"{}", {"username": "Field required", "password": "Field required"}),
        (b'{"username": "ada"}', {"password": "Field required"}),
        (b'{"username": 5, "password": "x"}', {"username": "Input should be a valid string"}),
        (json.dumps({"username": "a" * 300, "password": "b" * 2000}).encode(), None),
    ],
)
def test_bad_input_is_400_with_details_per_field(body: bytes, details: dict[str, str] | None):
    async def go():
        async with serving(**PEOPLE) as house:
            reply = await house.http.post("/api/auth/token", content=body, headers={"Accept-Language": "en"})
            assert reply.status_code == 400
            error = reply.json()["error"]
            assert (error["code"], error["message"]) == ("invalid_input", "the input is not valid")
            assert error["details"]
            assert details is None or error["details"] == details

    run(go())


def test_a_wrong_password_is_401_in_the_language_that_is_asked_for():
    async def body():
        async with serving(**PEOPLE) as house:
            for username in ("ada", "nobody", ""):
                reply = await sign_in(house, username, "wrong", **{"Accept-Language": "en-GB,en"})
                assert reply.status_code == 401
                assert reply.headers["WWW-Authenticate"] == "Bearer"
                said = {"code": "unauthorized", "message": "wrong username or password", "details": {}}
                assert reply.json() == {"error": said}
            reply = await sign_in(house, "ada", "wrong")
            assert reply.json()["error"]["message"] == "用户名或密码错误"

    run(body())


def test_after_ten_wrong_passwords_a_minute_no_more_are_looked_at_and_client_tokens_go_on(
    caplog: pytest.LogCaptureFixture,
):
    caplog.set_level(logging.DEBUG, logger="orchestrator_lite")

    async def body():
        async with serving(**PEOPLE) as house:
            wrong = [(await sign_in(house, "ada", f"wrong {n}")).status_code for n in range(12)]
            assert wrong == [401] * 10 + [429] * 2
            refused = await sign_in(house)
            assert refused.status_code == 429, "a right one too: else guessing would go on"
            assert refused.json()["error"]["code"] == "rate_limited"
            assert 1 <= int(refused.headers["Retry-After"]) <= 60
            assert (await house.api("GET", "/jobs")).status_code == 200
            house.clock.jump(61)
            assert (await sign_in(house)).status_code == 200

    run(body())
    told = " ".join(record.getMessage() for record in caplog.records if record.name.startswith("orchestrator_lite"))
    assert PASSWORD not in told
    assert "wrong 1" not in told


def test_wrong_passwords_side_by_side_are_slowed_as_if_they_came_one_by_one(monkeypatch: pytest.MonkeyPatch):
    looked_at = []

    def counted(password: str, known: str) -> bool:
        looked_at.append(password)
        return False

    monkeypatch.setattr(_people, "_verified", counted)

    async def body():
        async with serving(**PEOPLE) as house:
            replies = await asyncio.gather(*(sign_in(house, "ada", f"wrong {n}") for n in range(60)))
            codes = [reply.status_code for reply in replies]
            assert (codes.count(401), codes.count(429)) == (10, 50)
            assert all("Retry-After" in reply.headers for reply in replies if reply.status_code == 429)
            assert len(looked_at) <= 11

    run(body())


def test_when_too_many_wait_for_their_turn_others_come_again():
    async def body():
        async with serving(**PEOPLE) as house:
            people = house.lite._site.access.people
            async with people.turn(), people.turn():
                waiting = [asyncio.create_task(sign_in(house)) for _ in range(_people._MOST_WAITING)]
                await until(lambda: people._waiting == len(waiting))
                refused = await sign_in(house)
                assert (refused.status_code, refused.headers["Retry-After"]) == (429, "1")
                for one in waiting:
                    one.cancel()
            assert (await sign_in(house)).status_code == 200

    run(body())


def test_development_mode_knows_dev_and_nobody_else_does():
    async def body():
        async with serving() as house:
            token = (await sign_in(house, "dev", "dev")).json()["access_token"]
            assert (await person(house, token)).name == "dev"
            assert (await sign_in(house, "dev", "Dev")).status_code == 401
        async with serving(**PEOPLE) as house:
            assert (await sign_in(house, "dev", "dev")).status_code == 401

    run(body())


def test_without_users_nobody_signs_in():
    async def body():
        async with serving(**TOKENS) as house:
            assert (await sign_in(house)).status_code == 401

    run(body())
