"""The collector itself: a block that is wrong fails, a block that is excused is not run."""

from __future__ import annotations

import pytest

from tests.docs._page import blocks
from tests.docs._session import Session


def _play(tmp_path, text):
    page = tmp_path / "page.md"
    page.write_text(text)
    folder = tmp_path / "reader"
    folder.mkdir(exist_ok=True)
    with Session(folder) as session:
        for block in blocks(page):
            session.play(block)


def test_blocks_share_names_and_may_await(tmp_path):
    _play(tmp_path, "```python\nimport asyncio\nx = 1\n```\n\n```python\nassert await asyncio.sleep(0, x) == 1\n```\n")


def test_a_block_that_raises_fails_with_page_and_line(tmp_path):
    with pytest.raises(AssertionError, match=r"page.md:2:\n(?s:.*)no such name"):
        _play(tmp_path, "\n```python\nraise NameError('no such name')\n```\n")


def test_an_excused_block_is_not_run(tmp_path):
    _play(tmp_path, "<!-- not run: it shows an error -->\n```python\nraise NameError\n```\n")


def test_a_named_block_is_a_file_that_later_blocks_can_import(tmp_path):
    _play(tmp_path, "```python\n# thing.py\nvalue = 3\n```\n\n```python\nimport thing\nassert thing.value == 3\n```\n")


def test_a_console_line_that_fails_fails(tmp_path):
    with pytest.raises(AssertionError, match="ended with 3"):
        _play(tmp_path, "```console\n$ exit 3\n```\n")


def test_shown_output_must_be_the_real_one(tmp_path):
    _play(tmp_path, "```console\n$ echo one; echo 2 three\none\n… three\n$ true\n```\n")
    with pytest.raises(AssertionError, match="shown"):
        _play(
            tmp_path / "again" if (tmp_path / "again").mkdir() is None else tmp_path,
            "```console\n$ echo one\ntwo\n```\n",
        )
