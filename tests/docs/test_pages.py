"""Every block of README and docs runs, in order, as a reader would run it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.docs._page import blocks, used_files
from tests.docs._session import Session

ROOT = Path(__file__).parents[2]
FOLDERS = ("docs", "examples", "benchmarks")
PAGES = [ROOT / "README.md", *sorted(page for name in FOLDERS for page in (ROOT / name).rglob("*.md"))]
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_block_runs_as_written(page, tmp_path):
    for name in used_files(page):
        shutil.copy(ROOT / name, tmp_path)
    with Session(tmp_path) as session:
        for block in blocks(page):
            session.play(block)


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_no_block_escapes_the_collector(page):
    fences = re.findall(r"^\s*```(?:python|console)", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(blocks(page)) == len(fences)


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_link_to_a_file_leads_there(page):
    links = re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))
    gone = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert gone == []


@pytest.mark.parametrize("name", ["greet.py", "client.py", "async_client.py"])
def test_readme_shows_the_example_letter_by_letter(name):
    shown = [block.body for block in blocks(ROOT / "README.md") if block.language == "python"]
    assert (ROOT / "examples" / "greet" / name).read_text(encoding="utf-8") in shown


def test_readme_gives_two_commands_of_one_line_each():
    commands = re.findall(r"^\$ (python3 -m venv .*)$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(commands) == 2
    assert "orchestrator-lite demo" in commands[0]
    assert commands[1].endswith("-m pytest")
