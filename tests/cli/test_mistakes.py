"""Whatever goes wrong: one line that says what to do, an exit code, nothing on standard output."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests._support.house import serving
from tests.cli._command import NOBODY, piped
from tests.client._peer import NO_ROUTE, STALL, STATUS, Peer, reply, text
from tests.conftest import run
from tests.server.flows import greet

if TYPE_CHECKING:
    from collections.abc import Iterator

JOB = "00000000-0000-7000-8000-000000000000"
TOKEN = "t0p-secret-token"
EVERY_CALL = [
    ("status",),
    ("workers",),
    ("jobs", "list"),
    ("jobs", "get", JOB),
    ("jobs", "history", JOB),
    ("jobs", "cancel", JOB),
    ("jobs", "submit", "greet"),
]


@pytest.fixture
def peer() -> Iterator[Peer]:
    with Peer() as running:
        running.on("GET", STATUS, reply({"status": "ok"}))
        yield running


@pytest.mark.parametrize("words", EVERY_CALL, ids=" ".join)
def test_a_server_that_does_not_run_is_exit_code_3(words):
    done = run(piped(None, *words))
    assert (done.code, done.out) == (3, "")
    assert done.said.startswith(f"avtomatika: no answer from {NOBODY}: ")
    assert "--url or AVTOMATIKA_URL" in done.said


def test_a_wrong_token_is_exit_code_6_and_is_not_told():
    async def body():
        async with serving(greet()) as house:
            for words in EVERY_CALL[1:]:
                done = await piped(house, *words, "--token", TOKEN)
                assert (done.code, done.out) == (6, "")
                assert "refuses the token" in done.said
                assert "AVTOMATIKA_CLIENT_TOKEN" in done.said
                assert TOKEN not in done.err

    run(body())


def test_an_unknown_job_is_exit_code_4():
    async def body():
        async with serving(greet()) as house:
            for verb, job_id in (("get", JOB), ("history", "../../etc"), ("cancel", "a b?c#d"), ("wait", JOB)):
                done = await piped(house, "jobs", verb, job_id)
                assert (done.code, done.out) == (4, "")
                assert done.said.startswith(f"avtomatika: there is no job {job_id!r} of yours here")
                assert "avtomatika jobs list" in done.said

    run(body())


def test_an_unknown_blueprint_is_exit_code_4():
    async def body():
        async with serving(greet()) as house:
            done = await piped(house, "jobs", "submit", "no-such", "{}", "--wait")
            assert (done.code, done.out) == (4, "")
            assert done.said == "avtomatika: this server has no blueprint 'no-such'"

    run(body())


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("{name: 1}", "line 1, column 2 at 'name: 1}'"),
        ('{"a": 1,\n "b" 2}', "line 2, column 6 at '2}'"),
        ('{"a": ', "line 1, column 7"),
        ("", "is empty"),
        ("[1]", "must be a JSON object, such as {}, and is an array"),
        ('"text"', "is a text"),
        ("null", "is null"),
        ('{"a": NaN}', "NaN is no JSON number"),
        ("[" * 100_000, "nested too deeply"),
        ("@no-such.json", "The file no-such.json cannot be read: No such file or directory."),
        ("@.", "The file . cannot be read: Is a directory."),
        ("@", "name of a file is wanted after the @"),
        (b'{"a": "\xff"}', "is no UTF-8 text (byte 7)"),
        ('{"a": "\\ud800"}', "holds half a character ('\\ud800')"),
        ("@bad.json", "is no UTF-8 text (byte 1)"),
    ],
)
def test_data_that_is_no_json_object_is_exit_code_2_and_says_where(tmp_path, data, expected):
    (tmp_path / "bad.json").write_bytes(b'"\xff"')
    done = run(piped(None, "jobs", "submit", "greet", data, cwd=tmp_path))
    assert (done.code, done.out) == (2, "")
    assert " ".join(expected.split()) in done.said


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (("no-such.txt",), "The file 'no-such.txt' cannot be read: No such file or directory."),
        (("x=.",), "The file '.' cannot be read: Is a directory."),
        (("x=",), "cannot be read"),
        (("a=here", "a=here"), "Two files are named 'a'"),
        (("../x=here",), "'../x' cannot be a file's name"),
    ],
)
def test_a_file_that_cannot_be_given_is_exit_code_2(tmp_path, files, expected):
    (tmp_path / "here").write_bytes(b"x")
    words = [word for file in files for word in ("--file", file)]
    done = run(piped(None, "jobs", "submit", "greet", *words, cwd=tmp_path))
    assert (done.code, done.out) == (2, "")
    assert expected in done.said


def test_standard_input_that_is_no_json_is_named():
    done = run(piped(None, "jobs", "submit", "greet", "-", stdin=b"{]"))
    assert done.code == 2
    assert done.said.startswith("avtomatika: Standard input is no valid JSON: ")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("jobs", "submit"), "Missing argument"),
        (("jobs", "get"), "Missing argument"),
        (("jobs", "get", JOB, "more"), "unexpected extra argument"),
        (("jobs", "nonsense"), "nonsense"),
        (("nonsense",), "nonsense"),
        (("jobs", "list", "--nonsense"), "--nonsense"),
        (("jobs", "list", "--limit", "0"), "--limit"),
        (("jobs", "list", "--limit", "x"), "--limit"),
        (("jobs", "submit", "greet", "--timeout", "5"), "--timeout: it needs --wait."),
        (("jobs", "cancel", JOB, "--timeout", "5"), "--timeout: it needs --wait."),
        (("jobs", "submit", "greet", "--dispatch-timeout", "0"), "is no number of seconds above zero"),
        (("jobs", "submit", "greet", "--result-timeout", "nan"), "is no number of seconds above zero"),
        (("jobs", "wait", JOB, "--timeout", "x"), "is no number of seconds above zero"),
        (("jobs", "wait", JOB, "--timeout", "inf"), "is no number of seconds above zero"),
    ],
)
def test_a_command_line_that_makes_no_sense_is_exit_code_2(words, expected):
    done = run(piped(None, *words))
    assert (done.code, done.out) == (2, "")
    assert expected in done.said
    assert "--help" in done.said


@pytest.mark.parametrize("url", ["nonsense", "ftp://x", "http://", "http://user:t0p-secret-token@h"])
def test_a_url_that_is_none_is_exit_code_2(url):
    done = run(piped(None, "status", "--url", url))
    assert (done.code, done.out) == (2, "")
    assert "URL of an orchestrator" in done.said
    assert TOKEN not in done.err


def test_a_token_that_cannot_be_sent_is_exit_code_2():
    done = run(piped(None, "status", "--token", "жетон"))
    assert (done.code, done.said) == (2, "avtomatika: a token is made of printable ASCII characters")


@pytest.mark.parametrize(
    "words", [("jobs", "list", "--status", "done"), ("jobs", "submit", "greet", "--webhook-url", "nonsense")]
)
def test_what_the_server_refuses_is_exit_code_2_in_its_words(words):
    async def body():
        async with serving(greet()) as house:
            done = await piped(house, *words)
            assert (done.code, done.out) == (2, "")
            assert done.said.startswith(("avtomatika: status: ", "avtomatika: webhook_url: "))

    run(body())


@pytest.mark.parametrize(
    ("words", "path"),
    [
        (("jobs", "list"), "/api/v1/jobs"),
        (("jobs", "history", JOB), f"/api/v1/jobs/{JOB}/history"),
        (("workers",), "/api/v1/workers"),
    ],
)
def test_a_server_that_does_not_offer_it_is_exit_code_3(peer, words, path):
    peer.on("GET", path, NO_ROUTE)
    done = run(piped(None, *words, "--url", peer.url))
    assert (done.code, done.out) == (3, "")
    assert "does not offer GET" in done.said


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (reply({"error": "broken \x1b[31m\nhere"}, 500), "answers 500: broken \\x1b[31m here"),
        (text("<html>proxy</html>", 502), "answers 502"),
        (reply({"error": "slow down"}, 429, retry_after="0"), "answers 429: slow down"),
        (reply("nonsense"), "answers what no orchestrator does."),
        (text("<html>welcome</html>", 200), "answers what no orchestrator does."),
    ],
)
def test_a_server_that_fails_is_exit_code_3(peer, answer, expected):
    peer.on("GET", "/api/v1/workers", answer)
    done = run(piped(None, "workers", "--url", peer.url))
    assert (done.code, done.out) == (3, "")
    assert expected in done.said


def test_an_official_server_is_listed_and_waited_for(peer):
    snapshot = {"id": "j1", "blueprint_name": "greet", "status": "finished", "client_config": {"token": TOKEN}}
    row = {"job_id": "j1", "event_type": "job_completed", "client_token": TOKEN, "context_snapshot": snapshot}
    peer.on("GET", "/api/v1/jobs", reply([row]), reply([]))
    done = run(piped(None, "jobs", "list", "--url", peer.url))
    assert done.json == [{"id": "j1", "blueprint_name": "greet", "status": "finished"}]
    assert TOKEN not in done.out
    old = {"id": "j1", "status": "running", "current_state": "finished", "state_history": {"a": 1}}
    peer.on("GET", "/api/v1/jobs/j1", reply({**old, "current_state": "start"}), reply(old))
    assert run(piped(None, "jobs", "wait", "j1", "--url", peer.url)).json == {"a": 1}


def test_a_wait_ends_in_time_however_the_server_hangs(peer):
    peer.on("GET", f"/api/v1/jobs/{JOB}", STALL)
    done = run(piped(None, "jobs", "wait", JOB, "--timeout", "0.5", "--url", peer.url))
    assert done.code == 5
    assert done.json == {"id": JOB}
    assert done.said.endswith(f"look at it: avtomatika --url {peer.url} jobs get {JOB}")
