"""What cannot be counted is refused in one line that names it, before anything is started."""

from __future__ import annotations

import os

import pytest


def _make(folder, kind):
    path = folder / "input"
    if kind == "directory":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind != "missing":
        path.write_bytes(CONTENT[kind])


CONTENT = {
    "empty": b"",
    "only white space": b" \n\t\n",
    "latin-1": "déjà vu".encode("latin-1"),
    "binary": bytes(range(256)),
    "zero bytes": b"a\0b",
    "too large": b"word " * 2_700_000,
}
SAYS = {
    "missing": "there is no such file",
    "directory": "is a directory",
    "pipe": "is not a regular file",
    "empty": "is empty",
    "only white space": "is empty",
    "latin-1": "is not UTF-8 text",
    "binary": "is not UTF-8 text",
    "zero bytes": "is not text",
    "too large": "is too large",
}


@pytest.mark.parametrize("kind", SAYS)
def test_wrong_input_is_named_in_one_line(demo, kind):
    (demo.folder / "good.txt").write_text("good words")
    _make(demo.folder, kind)
    run = demo("good.txt", "input")
    assert run.returncode == 2
    assert run.stdout == ""
    assert len(run.stderr.splitlines()) == 1, run.stderr
    assert "input: " in run.stderr
    assert SAYS[kind] in run.stderr
    assert demo.leftovers() == []


def test_a_name_the_system_refuses_is_named(demo):
    run = demo("x" * 300)
    assert run.returncode == 2
    assert f"{'x' * 300}: cannot be read: File name too long" in run.stderr
