"""Hooks of mkdocs: `<!-- generated: … -->` becomes what the code says, `folder/` in the nav its pages."""

from __future__ import annotations

import logging
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

# mkdocs loads this file by its path and knows nothing of the checkout it lies in.
if (root := str(Path(__file__).parents[2])) not in sys.path:
    sys.path.insert(0, root)

from docs._tools.commands import commands_text
from docs._tools.environment import environment_table
from docs._tools.routes import features_table, routes_table
from docs._tools.settings import settings_table

if TYPE_CHECKING:
    from collections.abc import Callable

    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

log = logging.getLogger("mkdocs.hooks.generated")

DOCS = Path(__file__).parents[1]


def pages_list(folder: str) -> str:
    """Links to all pages of a folder, for a page at the top."""
    pages = sorted((DOCS / folder).glob("*.md"))
    titles = [page.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ") for page in pages]
    return "\n".join(f"    * [{title}]({folder}/{page.name})" for title, page in zip(titles, pages, strict=True))


GENERATORS: dict[str, Callable[..., str]] = {
    "commands": commands_text,
    "environment": environment_table,
    "features": features_table,
    "pages": pages_list,
    "routes": routes_table,
    "settings": settings_table,
}
MARK = re.compile(r"^<!-- generated: (?P<what>[\w -]+?) -->$", re.MULTILINE)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Let `folder/` in the nav stand for every page of the folder that the nav does not name itself."""
    if config.nav:
        named = set(_named(config.nav))
        pages = [file.src_uri for file in files.documentation_pages()]
        config.nav = _unfolded(config.nav, sorted(page for page in pages if page not in named))
    return files


def on_page_markdown(markdown: str, *, page: Page, **_: object) -> str:
    """Fill the marked places."""

    def filled(mark: re.Match[str]) -> str:
        try:
            return generated(mark["what"])
        except KeyError:
            log.warning("%s: nothing generates %r", page.file.src_uri, mark["what"])
            return ""

    return MARK.sub(filled, markdown)


def generated(what: str) -> str:
    """The Markdown that `<!-- generated: what -->` stands for.

    Raises:
        KeyError: Nothing generates it.
    """
    kind, *names = what.split()
    return GENERATORS[kind](*names)


def _named(nav: object) -> list[str]:
    """Every page the nav names."""
    if isinstance(nav, str):
        return [nav]
    parts = list(nav.values()) if isinstance(nav, dict) else nav
    return [name for part in parts for name in _named(part)] if isinstance(parts, list) else []


def _unfolded(nav: list[object], pages: list[str]) -> list[object]:
    """The nav with pages in the places of their folders."""
    unfolded: list[object] = []
    for item in nav:
        if isinstance(item, str) and item.endswith("/"):
            unfolded += [page for page in pages if page.rpartition("/")[0] == item.rstrip("/")]
        elif isinstance(item, dict):
            unfolded.append(
                {title: _unfolded(part, pages) if isinstance(part, list) else part for title, part in item.items()}
            )
        else:
            unfolded.append(item)
    return unfolded
