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
    elif kind == "too large":
        with path.open("wb") as file:
            file.truncate(2 * 1024**3)  # of which the disk holds nothing
    elif kind != "missing":
        path.write_bytes(CONTENT[kind])


CONTENT = {
    "empty": b"",
    "only white space": b" \n\t\n",
    "latin-1": "déjà vu".encode("latin-1"),
    "binary": bytes(range(256)),
    "zero bytes": b"a\0b",
    "latin-1 at the end": b"word " * 500_000 + "déjà vu".encode("latin-1"),
    "cut in a character": b"word " * 500_000 + "é".encode()[:1],
}
SAYS = {
    "missing": "there is no such file",
    "directory": "is a directory",
    "pipe": "is not a regular file",
    "empty": "is empty",
    "only white space": "is empty",
    "latin-1": "is not UTF-8 text",
    "latin-1 at the end": "is not UTF-8 text (byte 2500001 of 2500007)",
    "cut in a character": "is not UTF-8 text (byte 2500000 of 2500001)",
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


@pytest.mark.parametrize("change", ["vanishes", "becomes binary"])
def test_a_file_that_changes_after_it_was_looked_at_is_named(demo, change):
    (demo.folder / "text.txt").write_text("some words")
    last = demo.folder / "last.txt"
    last.write_text("more words")
    process = demo.start(*["text.txt"] * 60, "last.txt")
    try:
        demo.worker_of(process)  # all files have been looked at, and the last one is not its turn yet
        last.unlink()
        if change != "vanishes":
            last.write_bytes(b"\xff\xfe more")
        out, err = process.communicate(timeout=50)
    finally:
        process.kill()
    said = "cannot be read: No such file" if change == "vanishes" else "the text is not UTF-8"
    assert (process.returncode, out) == (2 if change == "vanishes" else 1, "")
    assert len(err.splitlines()) == 1, err
    assert "last.txt: " in err
    assert said in err
    assert demo.leftovers() == []
