"""What may be a file's name, how it lies on the disk, and what a range asks for."""

from __future__ import annotations

import asyncio
import random
import unicodedata
from pathlib import PurePosixPath, PureWindowsPath
from urllib.parse import quote

import httpx
import hypothesis.strategies as st
import pytest
from hypothesis import given

from orchestrator_lite.files import FileNameError, SpanError
from orchestrator_lite.files._names import address, checked, from_disk, named, on_disk
from orchestrator_lite.files._spans import Span, parse_span
from tests._support.house import serving
from tests.conftest import run
from tests.server.flows import greet
from tests.server.test_files import held, link, names

WRONG = {
    "": "empty",
    "/etc/passwd": "relative",
    "C:/x": "relative",
    "c:x": "relative",
    "..": "segment",
    "a/../b": "segment",
    "a/..": "segment",
    "../a": "segment",
    "./a": "segment",
    "a/./b": "segment",
    "a//b": "segment",
    "a/": "segment",
    "a\\b": "backslash",
    "..\\b": "backslash",
    "a\x00b": "control",
    "a\nb": "control",
    "a\x7f": "control",
    "a\x85b": "control",
    "a\u2028b": "control",
    "a.": "dot or a space",
    "a /b": "dot or a space",
    "...": "dot or a space",
    "a\ufffd": "UTF-8",
    "b\ud800": "UTF-8",
    "x" * 256: "255 bytes",
    "é" * 128: "255 bytes",
    "%" * 86: "255 bytes",
    "/".join(["x" * 200] * 6): "1024 bytes",
    "a" + "\u0301\u0323" * 500_000: "1024 bytes",
}

RIGHT = [
    "a",
    "x" * 255,
    "é" * 127,
    "отчёт/2024 год.pdf",
    "日本/語.txt",
    ".hidden",
    "a#1",
    "100%",
    "con",
    "NUL.txt",
    "at:b?.c",
]


@pytest.mark.parametrize(("name", "word"), WRONG.items(), ids=range(len(WRONG)))
def test_what_is_no_name_is_refused_with_the_reason(name, word):
    with pytest.raises(FileNameError, match=word) as caught:
        checked(name)
    assert str(caught.value).startswith("filename: ")
    assert name not in str(caught.value) or len(name) < 4


@pytest.mark.parametrize("name", RIGHT)
def test_names_come_back_from_the_disk_as_they_were(name):
    assert checked(name) == name
    assert from_disk(on_disk(name)) == name


@given(st.text(max_size=60))
def test_no_name_leads_out_of_its_folder_on_any_system(name):
    try:
        kept = checked(name)
    except FileNameError:
        return
    segments = on_disk(kept)
    assert from_disk(segments) == kept
    for segment in segments:
        assert segment not in {"", ".", ".."}
        assert len(segment.encode()) <= 255
        assert not set(segment) & set('<>:"|?*\\/\x00#')
        assert not PureWindowsPath(segment).is_reserved()
    path = "/".join(["root", *segments])
    assert PurePosixPath(path).parts == PureWindowsPath(path).parts == ("root", *segments)


@given(st.text(min_size=1, max_size=20), st.text(min_size=1, max_size=20))
def test_two_names_never_share_a_place(one, other):
    try:
        kept = [checked(one), checked(other)]
    except FileNameError:
        return
    assert (kept[0] == kept[1]) == (on_disk(kept[0]) == on_disk(kept[1]))


def test_names_that_look_the_same_are_the_same():
    composed = "é.txt"
    decomposed = unicodedata.normalize("NFD", composed)
    assert composed != decomposed
    assert checked(decomposed) == composed
    assert checked("A.txt") != checked("a.txt")


def test_an_address_names_a_file_of_its_own_job_alone():
    base = "lite://"
    assert named(base, "j1", "in/a.txt") == "in/a.txt"
    assert named(base, "j1", address(base, "j1", "in/a.txt")) == "in/a.txt"
    assert named(base, "j1", "s3://avtomatika-payloads/jobs/j1/in/a.txt") == "in/a.txt", "as blueprints may write it"
    others = ["lite://jobs/j2/a.txt", "s3://elsewhere/jobs/j1/a.txt", "file:///etc/passwd", "https://a/b"]
    for other in [*others, "s3://avtomatika-payloads/jobs/j2/a.txt"]:
        with pytest.raises(FileNameError, match="this job"):
            named(base, "j1", other)


@pytest.mark.parametrize(
    ("wanted", "size", "span"),
    [
        (None, 10, None),
        ("bytes=0-3", 10, Span(0, 4)),
        ("bytes=4-", 10, Span(4, 10)),
        ("bytes=-3", 10, Span(7, 10)),
        ("bytes=-30", 10, Span(0, 10)),
        ("bytes=8-100", 10, Span(8, 10)),
        ("bytes=0-0,5-6", 10, None),
        ("bytes=5-2", 10, None),
        ("bytes=-", 10, None),
        ("lines=1-2", 10, None),
        ("bytes=a-b", 10, None),
        ("bytes=0-9" + "9" * 30, 10, None),
    ],
)
def test_a_range_is_the_part_it_names_or_nothing_of_ours(wanted, size, span):
    assert parse_span(wanted, size) == span


@pytest.mark.parametrize(("wanted", "size"), [("bytes=10-", 10), ("bytes=-0", 10), ("bytes=0-0", 0), ("bytes=-5", 0)])
def test_a_range_beyond_the_file_holds_no_byte(wanted, size):
    with pytest.raises(SpanError) as caught:
        parse_span(wanted, size)
    assert caught.value.size == size


PARTS = ["a", "..", ".", "/", "%2F", "%00", "%0A", "%FF", "%", "%25", "\\", "%C3%A9", "e%CC%81", "x" * 300, "y" * 2000]
PARTS += ["CON", "nul.txt", "C:", "~", "content", "upload", "%E2%80%AE", "%ED%A0%80", "+", "&", "'", '"', "<b>", "%20"]


def test_whatever_stands_in_a_path_is_a_name_or_told_to_be_none():
    """Sent as it is, without what a client would do to it; what is stored comes back."""
    chosen = random.Random(4)
    expected = {"PUT": {200, 400}, "DELETE": {200, 400}, "GET": {200, 302, 400, 404}, "HEAD": {302, 400, 404}}

    async def body():
        async with serving(greet()) as house:
            job_id = await held(house)
            url = httpx.URL(house.lite.url)
            for _ in range(300):
                name = "".join(chosen.choices(PARTS, k=chosen.randrange(5)))
                paths = {"PUT": "content/", "DELETE": "content/", "HEAD": "download/"}
                method = chosen.choice([*expected])
                path = paths.get(method) or chosen.choice(["download/", "upload?filename="])
                reader, writer = await asyncio.open_connection(url.host, url.port)
                writer.write(
                    f"{method} /api/v1/jobs/{job_id}/files/{path}{name} HTTP/1.1\r\nHost: {url.netloc.decode()}\r\n"
                    f"X-Client-Token: {house.lite.client_token}\r\nConnection: close\r\n"
                    "Content-Length: 0\r\n\r\n".encode()
                )
                status = int((await reader.read()).split()[1])
                assert status in expected[method], (method, path, name)
                writer.close()
            kept = await names(house, job_id)
            assert len(kept) > 5
            for name in kept:
                assert (await house.http.get(await link(house, job_id, quote(name, safe="")))).content == b""

    run(body())
