"""Every block of README and docs runs, in order, as a reader would run it."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import markdown
import pytest
import yaml

from tests.docs._page import blocks, used_files
from tests.docs._session import Session

ROOT = Path(__file__).parents[2]
NOT_OURS = {"site", "dist", "build", "node_modules"}


def _pages() -> list[Path]:
    """Every Markdown page of the project, wherever it lies."""
    found = []
    for folder, folders, files in os.walk(ROOT):
        folders[:] = [name for name in folders if not name.startswith(".") and name not in NOT_OURS]
        found += [Path(folder, name) for name in files if name.endswith((".md", ".markdown"))]
    return sorted(found)


PAGES = _pages()
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]


@pytest.mark.timeout(180)
@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_block_runs_as_written(page, tmp_path):
    folder = tmp_path / "reader"
    folder.mkdir()
    for name in used_files(page):
        shutil.copy(ROOT / name, folder)
    with Session(folder) as session:
        for block in blocks(page):
            session.play(block)


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_what_the_site_shows_as_code_is_what_was_collected(page):
    extensions = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["markdown_extensions"]
    options = {name: given for item in extensions if isinstance(item, dict) for name, given in item.items()}
    names = [*options, *(item for item in extensions if isinstance(item, str))]
    shown = markdown.markdown(page.read_text(encoding="utf-8"), extensions=names, extension_configs=options)
    code = re.findall(r"<pre\b", shown)
    assert len(code) == sum(block.kind != "ctrl-c" for block in blocks(page)), shown


def test_pages_of_every_folder_are_collected():
    assert {"README.md", "CHANGELOG.md", "docs/index.md", "docs/explanation/decisions/README.md"} <= set(NAMES)
    assert {"docs/reference/client.md", "benchmarks/README.md"} <= set(NAMES)


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_link_to_a_file_leads_there(page):
    links = re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))
    gone = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert gone == []


@pytest.mark.parametrize("name", ["greet.py", "client.py", "async_client.py"])
def test_readme_shows_the_example_letter_by_letter(name):
    shown = [block.body for block in blocks(ROOT / "README.md") if block.kind == "python"]
    assert (ROOT / "examples" / "greet" / name).read_text(encoding="utf-8") in shown


def test_readme_gives_two_commands_of_one_line_each():
    commands = re.findall(r"^\$ (python3 -m venv .*)$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(commands) == 2
    assert "orchestrator-lite demo" in commands[0]
    assert commands[1].endswith("-m pytest")
