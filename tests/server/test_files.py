"""Files of jobs over a real socket: whose they are, and that they come back as they went."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests._support.house import House, serving, until
from tests.conftest import run
from tests.server.flows import greet

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CONTENT = bytes(range(256)) * 5000


async def held(house: House) -> str:
    """A job that waits, so that its files may come and go."""
    return await house.create("/jobs/greet", hold=True)


async def put(house: House, job_id: str, name: str, content: Any = CONTENT, status: int = 200) -> dict[str, Any]:
    reply = await house.api("PUT", f"/jobs/{job_id}/files/content/{name}", content=content)
    assert reply.status_code == status, reply.text
    return reply.json()


async def names(house: House, job_id: str) -> list[str]:
    return [file["name"] for file in (await house.api("GET", f"/jobs/{job_id}/files")).json()]


async def link(house: House, job_id: str, name: str) -> str:
    """A signed URL of a file."""
    reply = await house.api("GET", f"/jobs/{job_id}/files/download/{name}")
    assert reply.status_code == 302, reply.text
    return reply.headers["location"]


@pytest.mark.parametrize("sent", ["in/page 1.pdf", "in%2Fpage%201.pdf"])
@pytest.mark.parametrize("prefix", ["/api/v1", "/api"])
def test_a_file_comes_back_as_it_went(prefix, sent):
    async def body():
        async with serving(greet()) as house:
            job_id = await held(house)
            at, headers = f"{prefix}/jobs/{job_id}/files", house.client_headers
            reply = await house.http.put(f"{at}/content/{sent}", content=CONTENT, headers=headers)
            assert (reply.status_code, reply.json()) == (
                200,
                {
                    "status": "uploaded",
                    "s3_uri": f"lite://jobs/{job_id}/in/page 1.pdf",
                    "name": "in/page 1.pdf",
                    "size": len(CONTENT),
                },
            )
            found = await house.http.get(f"{at}/download/{sent}", headers=headers)
            assert found.status_code == 302
            assert found.headers["cache-control"] == "no-store"
            got = await house.http.get(found.headers["location"])
            assert (got.status_code, got.content == CONTENT) == (200, True)
            assert got.headers["content-length"] == str(len(CONTENT))
            [file] = (await house.http.get(at, headers=headers)).json()
            assert (file["name"], file["size"]) == ("in/page 1.pdf", len(CONTENT))
            assert abs(file["modified_at"] - house.clock.now()) < 60
            gone = await house.http.delete(f"{at}/content/{sent}", headers=headers)
            assert gone.json() == {"status": "deleted", "existed": True}
            again = await house.http.delete(f"{at}/content/{sent}", headers=headers)
            assert (again.status_code, again.json()) == (200, {"status": "deleted", "existed": False})
            assert (await house.http.get(at, headers=headers)).json() == []

    run(body())


@pytest.mark.parametrize("content", [b"", b"x"])
def test_small_and_empty_files_are_files(content):
    async def body():
        async with serving(greet()) as house:
            job_id = await held(house)
            assert (await put(house, job_id, "a", content))["size"] == len(content)
            got = await house.http.get(await link(house, job_id, "a"))
            assert (got.content, got.headers["content-length"]) == (content, str(len(content)))

    run(body())


def test_files_are_listed_by_name_with_folders_and_odd_characters():
    async def body():
        async with serving(greet()) as house:
            job_id = await held(house)
            sent = ["b", "a/z", "a/é", "100%25", "x%23" + "1", "CON", "日本.txt", "a b"]
            for name in sent:
                await put(house, job_id, name, b"1")
            kept = ["b", "a/z", "a/é", "100%", "x#1", "CON", "日本.txt", "a b"]
            assert await names(house, job_id) == sorted(kept)
            for name in sent:
                assert (await house.http.get(await link(house, job_id, name))).content == b"1"

    run(body())


def test_a_file_is_never_served_as_a_page():
    async def body():
        async with serving(greet()) as house:
            job_id = await held(house)
            await put(house, job_id, 'x/ü".html', b"<script>alert(1)</script>")
            got = await house.http.get(await link(house, job_id, 'x/ü".html'))
            assert got.headers["content-type"] == "application/octet-stream"
            assert got.headers["x-content-type-options"] == "nosniff"
            assert got.headers["content-disposition"] == "attachment; filename*=UTF-8''%C3%BC%22.html"

    run(body())


def test_ranges_heads_and_etags():
    async def body():
        async with serving(greet()) as house:
            job_id = await held(house)
            await put(house, job_id, "a")
            url = await link(house, job_id, "a")

            async def get(method: str = "GET", **headers: str) -> httpx.Response:
                return await house.http.request(method, url, headers=headers)

            whole = await get()
            etag = whole.headers["etag"]
            part = await get(Range="bytes=100-199")
            assert (part.status_code, part.content) == (206, CONTENT[100:200])
            assert part.headers["content-range"] == f"bytes 100-199/{len(CONTENT)}"
            assert part.headers["etag"] == etag
            assert (await get(Range="bytes=-7")).content == CONTENT[-7:]
            rest = {"Range": f"bytes={len(CONTENT) - 5}-"}
            assert (await get(**rest, **{"If-Range": etag})).content == CONTENT[-5:]
            assert (await get(**rest, **{"If-Range": '"older"'})).content == CONTENT
            beyond = await get(Range=f"bytes={len(CONTENT)}-")
            assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{len(CONTENT)}")
            assert beyond.json()["error"]
            head = await get("HEAD")
            assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(CONTENT)))
            assert (await get(**{"If-None-Match": etag})).status_code == 304
            await put(house, job_id, "a", b"new")
            assert (await get()).headers["etag"] != etag

    run(body())


def test_a_head_of_a_download_leads_to_the_head_of_the_file():
    async def body():
        async with serving(greet()) as house:
            job_id = await held(house)
            await put(house, job_id, "a", b"abc")
            reply = await house.api("HEAD", f"/jobs/{job_id}/files/download/a", follow_redirects=True)
            assert (reply.status_code, reply.headers["content-length"], reply.content) == (200, "3", b"")

    run(body())


def test_a_worker_reaches_the_files_of_the_job_it_works_on():
    async def body():
        async with serving(greet()) as house:
            job_id = await house.create("/jobs/greet")
            worker = await house.registered("w1", "greet")
            await worker.task()
            at = f"/jobs/{job_id}/files"
            reply = await worker.send("PUT", f"{at}/content/out/r.bin", content=CONTENT)
            assert (reply.status_code, reply.json()["size"]) == (200, len(CONTENT))
            got = await worker.send("GET", f"{at}/content/out%2Fr.bin")
            assert (got.status_code, got.content == CONTENT) == (200, True)
            assert (await worker.send("HEAD", f"{at}/content/out/r.bin")).headers["content-length"] == str(len(CONTENT))
            part = await worker.send("GET", f"{at}/content/out/r.bin", headers={"Range": "bytes=0-1"})
            assert (part.status_code, part.content) == (206, CONTENT[:2])
            assert [file["name"] for file in (await worker.send("GET", at)).json()] == ["out/r.bin"]
            assert (await worker.send("DELETE", f"{at}/content/out/r.bin")).json()["existed"] is True
            missing = await worker.send("GET", f"{at}/content/out/r.bin")
            assert (missing.status_code, missing.json()) == (404, {"error": "File not found"})
            for method, path in (("GET", ""), ("PUT", "/content/a"), ("GET", "/content/a"), ("DELETE", "/content/a")):
                unknown = await worker.send(method, f"/jobs/none/files{path}")
                assert (unknown.status_code, unknown.json()) == (404, {"error": "Job not found"})

    run(body())


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("PUT", "/content/a"), ("GET", "/content/a")])
def test_a_worker_reaches_no_other_files(method, path):
    """Not before it has a task of the job, not when another has that by now, not when it is done."""

    async def body():
        async with serving(greet()) as house:
            job_id, other = await house.create("/jobs/greet"), await held(house)
            for each in (job_id, other):
                await put(house, each, "a", b"older")
            worker, stranger = await house.registered("w1", "greet"), await house.registered("w2", "greet")

            async def status(who: Any, of: str = job_id) -> int:
                return (await who.send(method, f"/jobs/{of}/files{path}", content=b"x")).status_code

            assert await status(worker) == 403
            task = await worker.task()
            assert (await status(worker), await status(stranger), await status(worker, other)) == (200, 403, 403)
            nobody = {"X-Worker-Token": house.lite.worker_token}
            reply = await house.http.request(method, f"/_worker/jobs/{job_id}/files{path}", headers=nobody)
            assert (reply.status_code, "say who you are" in reply.text) == (403, True)
            house.clock.jump(61)
            await until(lambda: house.lite._site.core._leases.get(task["task_id"]) is None)
            assert await status(worker) == 200, "it has lost the task, and nobody else has it yet"
            await stranger.beat()
            task = await stranger.task()
            assert (await status(worker), await status(stranger)) == (403, 200)
            await stranger.answer(task)
            await house.ended(job_id)
            assert await status(stranger) == 409, "the job has ended"
            reply = await house.http.get(await link(house, other, "a"))
            assert reply.content == b"older"

    run(body())


def test_a_superseded_start_of_a_worker_writes_no_file():
    async def body():
        async with serving(greet()) as house:
            job_id = await held(house)
            older = await house.registered("w1", "greet", incarnation="a")
            await house.registered("w1", "greet", incarnation="b")
            reply = await older.send("PUT", f"/jobs/{job_id}/files/content/a", content=b"x")
            assert reply.status_code == 409
            assert await names(house, job_id) == []

    run(body())


EVERY_ROUTE: list[tuple[str, str]] = [
    ("GET", ""),
    ("GET", "/upload?filename=a"),
    ("PUT", "/content/a"),
    ("DELETE", "/content/a"),
    ("GET", "/download/a"),
]


@pytest.mark.parametrize(("method", "path"), EVERY_ROUTE)
def test_a_job_that_is_unknown_or_anothers_has_no_files(tmp_path, method, path):
    async def body():
        (tmp_path / "clients.toml").write_text("[another]\ntoken = 'token-of-another-client'\n")
        settings = {"client_token": "c", "worker_token": "w", "clients_file": tmp_path / "clients.toml"}
        async with serving(greet(), **settings) as house:
            job_id = await held(house)
            await put(house, job_id, "a")
            for unknown in ("none", "..", "%2e%2e"):
                reply = await house.api(method, f"/jobs/{unknown}/files{path}")
                assert reply.status_code in {404, 405}, (unknown, reply.text)
            another = {"X-Client-Token": "token-of-another-client"}
            reply = await house.http.request(method, f"/api/v1/jobs/{job_id}/files{path}", headers=another)
            assert (reply.status_code, reply.json()) == (404, {"error": "Job not found"})
            assert (await house.http.request(method, f"/_worker/jobs/{job_id}/files")).status_code in {401, 405}

    run(body())


@pytest.mark.parametrize(
    "name", ["%2Fetc%2Fpasswd", "..%2Fx", "a%2F..%2Fb", "a%5Cb", "a%00b", "a%0Ab", "a%FFb", "C:%2Fx", "a."]
)
def test_a_name_that_is_none_is_told_with_the_reason(name):
    async def body():
        async with serving(greet()) as house:
            job_id = await held(house)
            for method, path in (
                ("PUT", f"/content/{name}"),
                ("DELETE", f"/content/{name}"),
                ("GET", f"/download/{name}"),
                ("GET", f"/upload?filename={name}"),
            ):
                reply = await house.api(method, f"/jobs/{job_id}/files{path}")
                assert reply.status_code == 400, (method, reply.text)
                assert reply.json()["error"].startswith("filename: must")
            assert await names(house, job_id) == []

    run(body())


def test_an_ended_jobs_files_are_read_and_deleted_but_not_written():
    async def body():
        async with serving(greet()) as house:
            job_id = await held(house)
            await put(house, job_id, "a")
            where = (await house.api("GET", f"/jobs/{job_id}/files/upload?filename=b")).json()["url"]
            await house.cancel(job_id)
            assert (await house.http.get(await link(house, job_id, "a"))).content == CONTENT
            refused = await put(house, job_id, "a", b"new", status=409)
            assert refused == {"error": "Job has ended: its files can be read and deleted, not written"}
            assert (await house.http.put(where, content=b"x")).status_code == 409
            assert (await house.api("GET", f"/jobs/{job_id}/files/upload?filename=b")).status_code == 409
            worker = house.worker("w1")
            assert (await worker.send("PUT", f"/jobs/{job_id}/files/content/b", content=b"x")).status_code == 409
            assert await names(house, job_id) == ["a"]
            assert (await house.api("DELETE", f"/jobs/{job_id}/files/content/a")).json()["existed"] is True

    run(body())


def test_a_file_is_no_folder_and_a_folder_no_file():
    async def body():
        async with serving(greet()) as house:
            job_id = await held(house)
            await put(house, job_id, "a/b", b"1")
            assert "filename: a is a folder" in (await put(house, job_id, "a", b"2", status=409))["error"]
            assert "filename: a folder of a/b/c" in (await put(house, job_id, "a/b/c", b"2", status=409))["error"]
            assert (await house.api("GET", f"/jobs/{job_id}/files/download/a")).status_code == 404
            assert (await house.api("DELETE", f"/jobs/{job_id}/files/content/a")).json()["existed"] is False
            assert await names(house, job_id) == ["a/b"]
            await house.api("DELETE", f"/jobs/{job_id}/files/content/a/b")
            await put(house, job_id, "a", b"2")
            assert await names(house, job_id) == ["a"]

    run(body())


def test_files_lie_beside_the_database_and_outlive_the_server(tmp_path):
    async def body():
        store = f"sqlite:///{tmp_path / 'lite.db'}"
        async with serving(greet(), store=store) as house:
            job_id = await held(house)
            assert not (tmp_path / "lite.db.files").exists(), "a server without files has no folder for them"
            await put(house, job_id, "in/a")
            at = await link(house, job_id, "in/a")
        root = tmp_path / "lite.db.files"
        assert (root / "jobs" / job_id / "in" / "a").read_bytes() == CONTENT
        assert (root / ".key").stat().st_mode & 0o777 == 0o600
        assert root.stat().st_mode & 0o777 == 0o700
        async with serving(greet(), store=store) as house:
            path = httpx.URL(at).raw_path.decode()
            got = await house.http.get(path)
            assert (got.status_code, got.content == CONTENT) == (200, True), "a signed URL survives a restart"

    run(body())


def test_a_server_in_memory_leaves_no_files_behind():
    async def body():
        async with serving(greet()) as house:
            job_id = await held(house)
            await put(house, job_id, "a")
            root: Path = house.lite._site.core.files._kept._ready[0].root
            assert await asyncio.to_thread(root.exists)
        return root

    assert not run(body()).exists()


def test_the_folder_can_be_chosen(tmp_path):
    async def body():
        async with serving(greet(), files=tmp_path / "deep" / "files") as house:
            await put(house, await held(house), "a")
        assert len(list((tmp_path / "deep" / "files" / "jobs").glob("*/a"))) == 1

    run(body())


@pytest.mark.parametrize("spoil", [lambda path: path.write_text("x"), lambda path: path.symlink_to("/nowhere/else")])
def test_a_folder_that_cannot_be_used_is_told_at_the_start(tmp_path, spoil: Callable[[Path], Any], caplog):
    path = tmp_path / "files"
    spoil(path)

    async def body():
        async with serving(greet(), files=path):
            pass

    with pytest.raises(Exception, match=r"folder for files .* cannot be used") as caught:
        run(body())
    assert "choose another one (setting `files`)" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_beside_the_database_that_cannot_be_used_spoils_files_alone(tmp_path, caplog):
    (tmp_path / "lite.db.files").write_text("not a folder")

    async def body():
        async with serving(greet(), store=f"sqlite:///{tmp_path / 'lite.db'}") as house:
            job_id = await held(house)
            error = (await put(house, job_id, "a", status=503))["error"]
            assert error == "Files are not available: File exists"
            assert "lite.db.files" in caplog.text
            assert (await house.job(job_id))["held"] is True

    run(body())


def test_many_at_once():
    async def body():
        async with serving(greet()) as house:
            job_id = await held(house)
            contents = {f"f{n}": bytes([n]) * (n * 10_000) for n in range(40)}
            await asyncio.gather(*(put(house, job_id, name, content) for name, content in contents.items()))
            replies = [await house.http.get(await link(house, job_id, name)) for name in contents]
            assert [reply.content for reply in replies] == list(contents.values())

    run(body())
