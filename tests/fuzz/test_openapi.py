"""schemathesis over the whole document: no server error, no answer that the document does not announce.

What it makes is the same each time. It speaks with the tokens of a client, a worker and a person, and most of its ids
lead somewhere.
"""

from __future__ import annotations

import json
import logging

import pytest

from tests.conftest import run
from tests.fuzz._run import schemathesis
from tests.fuzz._world import WORKER, world

PARTS = {
    "workers": ["--include-path-regex", "^/_worker"],
    "jobs": ["--include-path-regex", "^/api/v1/jobs"],
    "others": ["--exclude-path-regex", "^/(_worker|api/v1/jobs)"],
}


@pytest.mark.parametrize("part", PARTS)
def test_every_operation_answers_as_the_document_says(part, tmp_path, caplog):
    found(tmp_path, caplog, *PARTS[part], "--max-examples", "8")


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("part", PARTS)
def test_every_operation_answers_as_the_document_says_at_length(part, tmp_path, caplog):
    found(tmp_path, caplog, *PARTS[part], "--max-examples", "40")


def found(tmp_path, caplog, *options):
    """What is wrong with the server: nothing."""

    async def check():
        async with world() as (house, ids):
            status, report = await schemathesis(house, ids, tmp_path, *options)
            assert status == 0, report
            assert " 0 selected" not in report
            assert (await house.http.get("/readyz")).status_code == 200

    run(check())
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_every_answer_in_the_document_says_what_it_holds():
    async def check():
        async with world() as (house, _):
            document = (await house.http.get("/openapi.json")).json()
            silent = [
                f"{method.upper()} {path} {status}"
                for path, item in document["paths"].items()
                for method, operation in item.items()
                for status, answer in operation["responses"].items()
                if status not in BODILESS
                and not any(media.get("schema") for media in answer.get("content", {}).values())
            ]
            assert silent == []
            assert "$defs" not in json.dumps(document)

    run(check())


BODILESS = {"204", "302", "304"}


@pytest.mark.parametrize("root", ["/api/v1", "/api", "/_worker", "/_public", ""])
def test_head_and_options_and_other_methods_are_answered_everywhere(root):
    async def check():
        async with world() as (house, ids):
            document = (await house.http.get("/openapi.json")).json()
            headers = {**house.client_headers, "X-Worker-Token": WORKER, "X-Worker-ID": "w1"}
            for path, item in document["paths"].items():
                if not path.startswith(root or "/"):
                    continue
                named = path.format(**{name: values[0] for name, values in ids.items()})
                reply = await house.http.options(named, headers=headers)
                assert (reply.status_code, reply.content) == (204, b""), named
                told = {method.lower() for method in reply.headers["allow"].split(", ")} - {"head"}
                assert told == set(item), named
                reply = await house.http.request("PROPFIND", named, headers=headers)
                assert reply.status_code == 405
                assert reply.json() == {"error": "Method Not Allowed"}
                assert "allow" in reply.headers
                reply = await house.http.head(named, headers=headers)
                assert reply.status_code < 500
                assert reply.content == b""

    run(check())


def test_head_is_get_without_the_body():
    async def check():
        async with world() as (house, ids):
            for path in ("/readyz", "/_public/status", f"/api/v1/jobs/{ids['job_id'][0]}"):
                got = await house.http.get(path, headers=house.client_headers)
                head = await house.http.head(path, headers=house.client_headers)
                assert head.status_code == got.status_code == 200
                assert head.headers["content-length"] == got.headers["content-length"]
                assert head.content == b""
            reply = await house.http.head("/_worker/workers/w1/tasks/next", headers={"X-Worker-Token": WORKER})
            assert reply.status_code == 405  # it would take a task

    run(check())
