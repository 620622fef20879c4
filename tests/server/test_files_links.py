"""Signed URLs: one file, one method, for a while, and nothing that was not signed."""

from __future__ import annotations

import logging

import httpx
import pytest
from pydantic import SecretStr

from tests._support.house import House, serving
from tests.conftest import run
from tests.server.flows import greet
from tests.server.test_files import CONTENT, held, link, names, put

TOKENS = {"client_token": SecretStr("c"), "worker_token": SecretStr("w")}


async def upload_url(house: House, job_id: str, query: str = "filename=in/a.txt") -> dict:
    reply = await house.api("GET", f"/jobs/{job_id}/files/upload?{query}")
    assert reply.status_code == 200, reply.text
    return reply.json()


def test_whoever_has_the_url_uploads_without_a_token():
    async def body():
        async with serving(greet(), **TOKENS) as house:
            job_id = await held(house)
            given = await upload_url(house, job_id)
            assert (given["expires_in"], given["method"], len(given)) == (3600, "PUT", 3)
            assert given["url"].startswith(f"{house.lite.url}/_files/{job_id}/in/a.txt?")
            reply = await house.http.put(given["url"], content=CONTENT)
            assert (reply.status_code, reply.json()["status"]) == (200, "uploaded")
            assert await names(house, job_id) == ["in/a.txt"]
            assert (await house.http.get(given["url"])).status_code == 403, "it was signed for PUT"
            got = await link(house, job_id, "in/a.txt")
            assert (await house.http.get(got)).content == CONTENT
            assert (await house.http.put(got, content=b"x")).status_code == 403, "it was signed for GET"

    run(body())


def test_a_url_ends_when_its_time_is_over():
    async def body():
        async with serving(greet()) as house:
            job_id = await held(house)
            given = await upload_url(house, job_id, "filename=a&expires_in=600")
            assert given["expires_in"] == 600
            house.clock.jump(590)
            assert (await house.http.put(given["url"], content=b"1")).status_code == 200
            got = await link(house, job_id, "a")
            house.clock.jump(20)
            late = await house.http.put(given["url"], content=b"2")
            assert (late.status_code, late.json()) == (403, {"error": "The link has expired"})
            assert (await house.http.get(got)).content == b"1"
            house.clock.jump(50)
            assert (await house.http.get(got)).status_code == 403, "a download's url is good for a minute"

    run(body())


def test_a_stranger_has_no_folder_created(tmp_path):
    async def body():
        async with serving(greet(), store=f"sqlite:///{tmp_path / 'lite.db'}") as house:
            reply = await house.http.get("/_files/job/a?expires=1&signature=x")
            assert reply.status_code == 403

    run(body())
    assert not (tmp_path / "lite.db.files").exists()


def test_a_url_that_was_changed_is_worth_nothing():
    async def body():
        async with serving(greet()) as house:
            job_id, other = await held(house), await held(house)
            for job in (job_id, other):
                await put(house, job, "a", b"1")
                await put(house, job, "b", b"1")
            url = httpx.URL(await link(house, job_id, "a"))
            path, query = url.path, dict(url.params)
            assert (await house.http.get(path, params=query)).status_code == 200
            forged = [
                (path.replace("/a", "/b"), query),
                (path.replace(job_id, other), query),
                (path, {**query, "expires": str(int(query["expires"]) + 1)}),
                (path, {**query, "expires": "x"}),
                (path, {**query, "expires": "9" * 40}),
                (path, {**query, "signature": query["signature"].upper()}),
                (path, {**query, "signature": "é"}),
                (path, {**query, "signature": ""}),
                (path, {"expires": query["expires"]}),
                (path, {}),
            ]
            for where, params in forged:
                reply = await house.http.get(where, params=params)
                assert (reply.status_code, reply.json()["error"]) == (
                    403,
                    "The link is not valid for this file and method",
                ), (where, params)

    run(body())


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("filename=a&expires_in=soon", "expires_in must be an integer"),
        ("filename=a&expires_in=1.5", "expires_in must be an integer"),
        ("", "job_id and filename (query param) are required"),
        ("filename=", "job_id and filename (query param) are required"),
        ("filename=a&expires_in=0", "expires_in must be a number of seconds from 1 to 604800"),
        ("filename=a&expires_in=-5", "expires_in must be a number of seconds from 1 to 604800"),
        ("filename=a&expires_in=604801", "expires_in must be a number of seconds from 1 to 604800"),
    ],
)
def test_a_wrong_question_is_answered_in_the_words_of_the_releases(query, error):
    async def body():
        async with serving(greet()) as house:
            reply = await house.api("GET", f"/jobs/{await held(house)}/files/upload?{query}")
            assert (reply.status_code, reply.json()) == (400, {"error": error})

    run(body())


def test_urls_lead_where_the_server_is_reached():
    async def body():
        async with serving(greet(), **TOKENS) as house:
            job_id = await held(house)
            reply = await house.api(
                "GET", f"/jobs/{job_id}/files/upload?filename=a", headers={"Host": "lite.example:81"}
            )
            assert reply.json()["url"].startswith("http://lite.example:81/_files/")
        async with serving(greet(), public_url="https://files.example/lite/") as house:
            job_id = await held(house)
            assert (await upload_url(house, job_id))["url"].startswith(f"https://files.example/lite/_files/{job_id}/")

    run(body())


def test_urls_name_the_path_that_the_server_is_mounted_under():
    async def body():
        async with serving(greet()) as house:
            job_id = await held(house)
            front = house.lite._front

            async def mounted(scope, receive, send):
                await front({**scope, "root_path": "/lite", "path": "/lite" + scope["path"]}, receive, send)

            inside = httpx.ASGITransport(app=mounted)
            async with httpx.AsyncClient(transport=inside, base_url="http://127.0.0.1:1") as http:
                at = f"/api/v1/jobs/{job_id}/files/upload?filename=a"
                reply = await http.get(at, headers=house.client_headers)
                assert reply.json()["url"].startswith(f"http://127.0.0.1:1/lite/_files/{job_id}/a?")

    run(body())


def test_in_development_mode_a_url_is_for_this_machine_alone():
    async def body():
        async with serving(greet()) as house:
            job_id = await held(house)
            await put(house, job_id, "a")
            url = await link(house, job_id, "a")
            assert (await house.http.get(url, headers={"Host": "evil.example"})).status_code == 403
            assert (await house.http.get(url, headers={"X-Forwarded-For": "10.0.0.1"})).status_code == 403

    run(body())


@pytest.mark.parametrize("host", ["lite:81@evil", "lite:81/evil?", "[::1]:x/evil", "lite evil", "lite:x", ""])
def test_a_host_that_could_lead_elsewhere_is_refused(host):
    async def body():
        async with serving(greet(), **TOKENS) as house:
            job_id = await held(house)
            reply = await house.api("GET", f"/jobs/{job_id}/files/upload?filename=a", headers={"Host": host})
            assert (reply.status_code, reply.json()["error"][:5]) == (400, "Host:")
        async with serving(greet()) as house:
            job_id = await held(house)
            sent = {"Host": host.replace("lite", "127.0.0.1")}
            reply = await house.api("GET", f"/jobs/{job_id}/files/upload?filename=a", headers=sent)
            assert reply.status_code in {400, 403}

    run(body())


def test_no_signature_reaches_the_log(caplog):
    caplog.set_level(logging.DEBUG)

    async def body():
        async with serving(greet()) as house:
            job_id = await held(house)
            await put(house, job_id, "a")
            url = httpx.URL(await link(house, job_id, "a"))
            caplog.clear()
            for params in (dict(url.params), {**url.params, "expires": "1"}):
                await house.http.get(url.copy_with(params=params))
            return url.params["signature"]

    signature = run(body())
    ours = [record.getMessage() for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))]
    assert signature not in "\n".join(ours)
