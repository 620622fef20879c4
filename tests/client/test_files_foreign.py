"""`job.files` and `submit(files=…)`, both faces, against servers that are not ours, or not well."""

from __future__ import annotations

import logging
import os
from typing import Any

import pytest

from avtomatika_client import (
    APIConnectionError,
    ConflictError,
    NotFoundError,
    NotSupportedByServerError,
    ValidationFailedError,
)
from tests.client._file_peer import FilePeer, Talk, name_of
from tests.client._peer import Peer, reply
from tests.client.conftest import Face

MIB = 1024 * 1024


def test_a_server_that_cannot_hold_is_told_before_anything_is_created(face, peer: Peer):
    peer.on("POST", "/api/v1/jobs/flow", reply({"status": "accepted", "job_id": "j"}, 202))
    client = face.client(peer.url)
    with pytest.raises(NotSupportedByServerError, match="submit it without files="):
        face(client.jobs.submit("flow", {}, files={"a": b"x"}))
    assert peer.calls("POST", "/api/v1/jobs/flow") == []


def test_a_server_without_files_is_named_in_one_line(face, peer: Peer):
    job = face.client(peer.url).jobs.handle("j")
    for call in (job.files.list, lambda: job.files.download("x"), lambda: job.files.upload("x", b"")):
        with pytest.raises(NotSupportedByServerError):
            face(call())


def test_an_official_server_without_its_s3_settings_is_named(face, peer: Peer):
    no_s3 = reply({"error": "S3 support is not enabled"}, 501)
    peer.on("PUT", "/api/v1/jobs/j/files/content/x", no_s3).on("GET", "/api/v1/jobs/j/files/upload", no_s3)
    peer.on("GET", "/api/v1/jobs/j/files/download/x", no_s3)
    files = face.client(peer.url).jobs.handle("j").files
    for call in (lambda: files.upload("x", b""), lambda: files.upload_url("x"), lambda: files.download("x")):
        with pytest.raises(NotSupportedByServerError, match="S3 support is not enabled"):
            face(call())


@pytest.fixture
def foreign():
    with FilePeer() as running:
        yield running


def files_of(face: Face, foreign: FilePeer, **options: Any) -> Any:
    return face.client(foreign.url, **options).jobs.handle("j").files


def test_no_token_goes_where_a_download_is_sent_to(face, foreign):
    with FilePeer() as store:
        store.on("GET", "/bucket", lambda talk: talk.answer(200, b"bytes"))
        foreign.on("GET", "/api", lambda talk: talk.answer(302, location=f"{store.url}/bucket/x?signature=s"))
        assert face(files_of(face, foreign).download("x")) == b"bytes"
        (asked,) = store.seen
    assert "x-client-token" in foreign.seen[0].headers
    assert not {name for name in asked.headers if name.startswith("x-") or name in {"authorization", "cookie"}}
    assert asked.query == "signature=s"


def test_no_log_tells_the_permission_of_a_signed_url(face, foreign, caplog):
    caplog.set_level(logging.DEBUG)  # httpcore tells every header of a reply
    foreign.on("GET", "/api", lambda talk: talk.answer(302, location="/x?expires=1&signature=very-secret"))
    foreign.on("GET", "/x", lambda talk: talk.json(404, '{"error": "gone"}'))
    with pytest.raises(NotFoundError) as caught:
        face(files_of(face, foreign).download("x"))
    assert foreign.seen[-1].query == "expires=1&signature=very-secret"
    assert "HTTP Request: GET" in caplog.text
    assert "b'location', b'/x'" in caplog.text.lower()
    told = [caplog.text, str(caught.value), repr(caught.value), repr(vars(caught.value))]
    assert not [text for text in told if "very-secret" in text]


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://127.0.0.1/x", "", "/api/v1/jobs/j/files/download/x"])
def test_a_redirect_that_leads_nowhere_is_not_followed(face, foreign, location):
    foreign.on("GET", "/api", lambda talk: talk.answer(302, location=location))
    with pytest.raises(Exception, match="302"):
        face(files_of(face, foreign).download("x"))
    assert len(foreign.seen) == 1


def test_a_chain_of_redirects_ends(face, foreign):
    foreign.on("GET", "/", lambda talk: talk.answer(302, location=f"/{len(foreign.seen)}"))
    with pytest.raises(Exception, match="302"):
        face(files_of(face, foreign).download("x"))
    assert len(foreign.seen) == 3


def test_a_permission_that_ran_out_on_the_way_is_asked_for_once_more(face, foreign):
    async def store(talk: Talk) -> None:
        if talk.query == "turn=2":
            await talk.answer(200, b"bytes")
        else:
            await talk.json(403, '{"error": "expired"}')

    foreign.on("GET", "/", store)
    foreign.on("GET", "/api", lambda talk: talk.answer(302, location=f"/x?turn={len(foreign.calls('GET', '/api'))}"))
    assert face(files_of(face, foreign).download("x")) == b"bytes"


@pytest.mark.parametrize("same", [True, False], ids=["same file", "another file"])
def test_a_download_that_broke_off_goes_on_where_it_ended(face, foreign, tmp_path, same):
    content = os.urandom(3 * MIB)

    async def give(talk: Talk) -> object:
        turn = len(foreign.calls("GET", "/api"))
        tag = '"v1"' if same or turn == 1 else '"v2"'
        begin = 0
        if talk.headers.get("if-range") == tag:
            begin = int(talk.headers["range"].removeprefix("bytes=").removesuffix("-"))
            size = len(content)
            extra = {"content_range": f"bytes {begin}-{size - 1}/{size}"}
            await talk.head(206, content_length=str(size - begin), etag=tag, **extra)
        else:
            await talk.head(200, content_length=str(len(content)), etag=tag)
        talk.writer.write(content[begin : begin + MIB] if turn < 3 else content[begin:])
        await talk.writer.drain()
        return turn >= 3

    foreign.on("GET", "/api", give)
    seen: list[int] = []
    options = {"to": tmp_path / "x", "on_progress": lambda done, total: seen.append(done)}
    face(files_of(face, foreign, retries=4).download("x", **options))
    assert (tmp_path / "x").read_bytes() == content
    ranges = [talk.headers.get("range") for talk in foreign.seen]
    assert ranges[0] is None
    assert all(text is not None for text in ranges[1:])


def test_a_download_that_never_comes_whole_leaves_nothing(face, foreign, tmp_path):
    async def cut(talk: Talk) -> bool:
        await talk.head(200, content_length="100")
        talk.writer.write(b"half")
        return False

    foreign.on("GET", "/api", cut)
    (tmp_path / "x").write_text("as it was")
    with pytest.raises(APIConnectionError):
        face(files_of(face, foreign, retries=1).download("x", to=tmp_path / "x"))
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("x", "as it was")]


def test_an_upload_is_sent_again_from_its_beginning_if_it_can_be(face, foreign, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    bodies: dict[str, list[bytes]] = {}

    async def take(talk: Talk) -> object:
        bodies.setdefault(name_of(talk), []).append(await talk.body())
        if len(bodies[name_of(talk)]) == 1:
            return False
        return await talk.json(200, "{}")

    foreign.on("PUT", "/api", take)
    files = files_of(face, foreign)
    with path.open("rb") as opened:
        for name, source in {"path": path, "open": opened, "list": [b"01234", b"56789"]}.items():
            face(files.upload(name, source))
            assert bodies[name] == [b"0123456789"] * 2
    with pytest.raises(APIConnectionError):
        face(files.upload("once", iter([b"0123456789"])))
    assert bodies["once"] == [b"0123456789"]


def test_a_file_that_becomes_shorter_while_it_is_sent_is_named(face, foreign, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"x" * 60 * MIB)

    async def cut(talk: Talk) -> None:
        os.truncate(path, 10)
        await talk.body()

    foreign.on("PUT", "/api", cut)
    with pytest.raises(OSError, match=r"file: became shorter while it was sent \(\d+ bytes instead of 62914560\)"):
        face(files_of(face, foreign).upload("x", path))


def test_slashes_in_names_are_sent_as_official_servers_want_them(face, foreign):
    foreign.on("PUT", "/api", lambda talk: take_all(talk))
    face(files_of(face, foreign).upload("a/ü b.txt", b"x"))
    assert foreign.seen[0].path == "/api/v1/jobs/j/files/content/a%2F%C3%BC%20b.txt"


async def take_all(talk: Talk) -> None:
    await talk.body()
    await talk.json(200, '{"status": "uploaded"}')


@pytest.mark.parametrize("answer", ["lost once", "refused"])
def test_release_is_repeated_and_its_refusal_cancels_the_job(face, foreign, answer):
    turns: list[int] = []

    async def release(talk: Talk) -> object:
        turns.append(1)
        if answer == "lost once" and len(turns) == 1:
            return False
        status = 200 if answer == "lost once" else 409
        return await talk.json(status, '{"status": "released", "job_id": "j"}')

    foreign.on("GET", "/_public/status", lambda talk: talk.json(200, '{"status": "ok", "features": ["files", "hold"]}'))
    foreign.on("POST", "/api/v1/jobs/flow", lambda talk: accepted(talk)).on("PUT", "/api", lambda talk: take_all(talk))
    foreign.on("POST", "/api/v1/jobs/j/release", release)
    foreign.on("POST", "/api/v1/jobs/j/cancel", lambda talk: take_all(talk))
    client = face.client(foreign.url)
    if answer == "refused":
        with pytest.raises(ConflictError):
            face(client.jobs.submit("flow", {}, files={"a": b"x"}))
    else:
        assert face(client.jobs.submit("flow", {}, files={"a": b"x"})).id == "j"
    assert len(foreign.calls("POST", "/api/v1/jobs/j/cancel")) == (answer == "refused")
    assert len(turns) == (2 if answer == "lost once" else 1)


def test_a_job_that_stays_behind_held_is_named(face, foreign):
    foreign.on("GET", "/_public/status", lambda talk: talk.json(200, '{"status": "ok", "features": ["files", "hold"]}'))
    foreign.on("POST", "/api/v1/jobs/flow", lambda talk: accepted(talk))
    foreign.on("PUT", "/api", lambda talk: talk.json(400, '{"error": "no"}'))
    foreign.on("POST", "/api/v1/jobs/j/cancel", lambda talk: talk.json(503, '{"error": "later"}'))
    with pytest.raises(ValidationFailedError) as caught:
        face(face.client(foreign.url).jobs.submit("flow", {}, files={"a": b"x"}))
    (note,) = caught.value.__notes__
    assert note.startswith("job j was created and could not be cancelled: ")


async def accepted(talk: Talk) -> None:
    assert b'"hold":true' in await talk.body()
    await talk.json(202, '{"status": "accepted", "job_id": "j"}')
