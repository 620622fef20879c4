"""Every route with a parameter in its path, asked for what is none: an answer in the envelope, nobody else's data."""

from __future__ import annotations

import re

import pytest

from orchestrator_lite.api._app import application
from tests.conftest import run
from tests.fuzz._world import WORKER, world

EVIL = [
    "..",
    ".",
    "%2E%2E",
    "..%2F..%2F..%2Fetc%2Fpasswd",
    "%2F",
    "%2F%2F",
    "%5C..%5C",
    "%00",
    "a%00b",
    "%0A",
    "%0D%0AX-Injected:%20yes",
    "%1B[2Jforged",
    "%C2%85",
    "%FF%FE",
    "%ED%A0%80",
    "%E2%80%AE",
    "%",
    "%zz",
    "%25s%25n",
    "{0}",
    "'%20OR%201=1--",
    "-1",
    "9" * 40,
    "x" * 5000,
    "%F0%9F%92%A9" * 200,
]

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def routes() -> list[str]:
    """The paths of routes that take a parameter, the version of the API aside."""
    found = {re.sub(r":\w+\}", "}", route.path) for route in application().router.routes}
    found = {path.replace("{api_version}", "v1") for path in found}
    return sorted(path for path in found if re.search(r"\{\w+\}", path) and "{path}" not in path)


@pytest.mark.parametrize("evil", EVIL, ids=range(len(EVIL)))
def test_whatever_stands_in_a_path_is_answered_in_the_envelope(evil, caplog):
    async def check():
        async with world() as (house, ids):
            real = {name: values[0] for name, values in ids.items()}
            headers = {**house.client_headers, "X-Worker-Token": WORKER, "X-Worker-ID": "w1"}
            for path in routes():
                for name in re.findall(r"\{(\w+)\}", path):
                    target = path.format(**{**real, "asset": "x", "endpoint": "x", **real, name: evil})
                    for method in METHODS:
                        reply = await house.http.request(
                            method, "/", headers=headers, extensions={"target": target.encode()}
                        )
                        proper(reply, f"{method} {target[:200]}")
            assert (await house.http.get("/readyz")).status_code == 200

    caplog.set_level("DEBUG", "orchestrator_lite")
    run(check())
    told = [record for record in caplog.records if record.name.startswith("orchestrator_lite")]
    assert [record.getMessage() for record in told if not record.getMessage().isprintable()] == []
    assert [record.getMessage() for record in told if record.levelname == "ERROR"] == []


def proper(reply, asked):
    """No failure of the server, no header that came in by the path, and an error like any other."""
    assert reply.status_code < 500, (asked, reply.text)
    assert "x-injected" not in reply.headers, asked
    assert "root:" not in reply.text, asked
    if reply.status_code >= 400 and reply.request.method != "HEAD":
        assert reply.headers["content-type"] == "application/json", asked
        assert list(reply.json()) == ["error"], asked


CLIENTS = """
[two]
token = "the-token-of-two"
plan = "free"
"""


def test_the_ids_of_one_client_lead_another_nowhere(tmp_path):
    file = tmp_path / "clients.toml"
    file.write_text(CLIENTS)

    async def check():
        async with world(clients_file=file) as (house, ids):
            other = {"X-Client-Token": "the-token-of-two"}
            owned = ("job_id", "schedule_id", "delivery_id")
            for path in routes():
                if not path.startswith("/api/v1/") or not any(f"{{{name}}}" in path for name in owned):
                    continue
                for turn in range(max(len(ids[name]) for name in owned if f"{{{name}}}" in path)):
                    target = path.format(**{name: values[turn % len(values)] for name, values in ids.items()})
                    for method in ("GET", "PUT", "PATCH", "POST", "DELETE"):
                        body = {} if method in {"GET", "DELETE"} else {"json": {"enabled": False}}
                        reply = await house.http.request(method, target, headers=other, **body)
                        assert reply.status_code in {404, 405, 400}, (method, target, reply.text)
                        if reply.status_code == 400:  # read before it was looked for
                            assert path.endswith(("/files/upload",)), (method, target, reply.text)

    run(check())
