"""A token goes into one header of requests to one host, and nowhere else."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import pickle
import traceback

import pytest

from avtomatika_client import AvtomatikaError, WaitTimeout
from avtomatika_client._transport import HttpxTransport
from avtomatika_client.errors import APIConnectionError
from tests.client._peer import DROP, STALL, Answer, Peer, reply
from tests.client.conftest import TOKEN
from tests.conftest import run

SUBMIT = "/api/v1/jobs/greet"
JOB = "/api/v1/jobs/j1"


def test_the_token_is_in_no_log_repr_or_error(peer, face, caplog):
    caplog.set_level(logging.DEBUG)
    client = face.client(peer.url, retries=0)
    told = [repr(client), repr(client.jobs), repr(client._caller.session), str(client._caller.session)]
    for answer in (
        DROP,
        STALL,
        reply({"error": "no"}, 401),
        Answer(503, b"busy"),
        Answer(307, b"", {"location": "/x"}),
    ):
        peer.on("POST", SUBMIT, answer)
        with pytest.raises(AvtomatikaError) as caught:
            face(client.jobs.submit("greet", {}, timeout=0.2))
        told += ["".join(traceback.format_exception(caught.value)), repr(vars(caught.value))]
        told.append(repr(pickle.dumps(caught.value)))
        peer.release()
    peer.on("GET", JOB, reply({"id": "j1", "status": "running"}))
    job = client.jobs.handle("j1")
    with pytest.raises(WaitTimeout) as late:
        face(job.wait(timeout=0.1))
    told += [repr(job), repr(job.state), "".join(traceback.format_exception(late.value)), caplog.text]
    assert {seen.headers["x-client-token"] for seen in peer.seen} == {TOKEN}
    assert [text for text in told if TOKEN in text] == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_the_token_follows_no_redirect(peer, face, status):
    with Peer() as elsewhere:
        peer.on("GET", JOB, Answer(status, b"", {"location": f"{elsewhere.url}{JOB}"}))
        with pytest.raises(AvtomatikaError, match="redirects are not followed"):
            face(face.client(peer.url, retries=0).jobs.get("j1"))
        assert elsewhere.seen == []


@pytest.mark.parametrize("bad", ["two\r\nX-Other: lines", "nul\x00", "ключ"])
def test_a_token_that_cannot_be_sent_is_refused_without_telling_it(face, bad):
    with pytest.raises(ValueError, match="printable ASCII") as caught:
        face.client("http://127.0.0.1:1", client_token=bad)
    assert bad not in str(caught.value)


def test_the_token_of_a_websocket_is_in_no_log(peer, caplog):
    caplog.set_level(logging.DEBUG)
    peer.on("GET", "/ws", Answer(403, b"no"))

    async def body():
        transport = HttpxTransport()
        with contextlib.suppress(APIConnectionError):
            await transport.connect(f"{peer.url}/ws", headers={"x-worker-token": TOKEN}, timeout=5)
        await transport.aclose()
        await asyncio.gather(*(task for task in asyncio.all_tasks() if task is not asyncio.current_task()))

    run(body())
    assert peer.seen[0].headers["x-worker-token"] == TOKEN
    assert TOKEN not in caplog.text
