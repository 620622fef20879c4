"""The site: it builds without a warning, asks no other host for anything, and its reference is the code's."""

from __future__ import annotations

import ast
import inspect
import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path

import pytest

import avtomatika_client
from docs._tools.hooks import generated
from orchestrator_lite import Settings
from orchestrator_lite.api.public import FEATURES

ROOT = Path(__file__).parents[2]
PACKAGES = ("avtomatika_client", "avtomatika_worker", "orchestrator_lite")
MODULES = (*PACKAGES, "orchestrator_lite.testing")
RESOURCES = ROOT / "avtomatika_client" / "_resources"
WITHOUT_ANCHOR = {"F", "__version__"}
"""Names whose docstrings are not ours to show."""


def _build(config: Path, out: Path) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYTEST"))}
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", str(config), "-d", str(out)],
        env={**kept, "NO_MKDOCS_2_WARNING": "1"},
        cwd=out.parent,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The built site."""
    out = tmp_path_factory.mktemp("docs") / "site"
    done = _build(ROOT / "mkdocs.yml", out)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return out


class _Loads(HTMLParser):
    """What a browser fetches by itself for a page, and the ids it can be linked at."""

    FETCHED = frozenset({"script", "img", "iframe", "source", "video", "audio", "embed", "track", "object", "input"})
    LINKS = frozenset(
        {"stylesheet", "preconnect", "preload", "prefetch", "dns-prefetch", "icon", "manifest", "modulepreload"}
    )

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.urls: list[str] = []
        self.ids: set[str] = set()
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.ids.add(given.get("id", ""))
        if tag in self.FETCHED:
            self.urls += [given[name] for name in ("src", "srcset", "data", "poster") if name in given]
        elif tag == "link" and self.LINKS & set(given.get("rel", "").split()):
            self.urls.append(given.get("href", ""))


def _elsewhere(url: str) -> bool:
    return re.match(r"\s*(?:[a-z][a-z0-9+.-]*:)?//", url, re.IGNORECASE) is not None


def test_no_page_asks_another_host_for_anything(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) > 10
    assert {page.name: urls for page in pages if (urls := [url for url in _Loads(page).urls if _elsewhere(url)])} == {}


def test_no_style_asks_another_host_for_anything(site):
    styles = [*site.rglob("*.css"), *site.rglob("*.html")]
    asked = [
        url
        for file in styles
        for url in re.findall(r"(?:url\(|@import )\s*[\"']?([^\"')\s;]+)", file.read_text("utf-8"))
    ]
    assert [url for url in asked if _elsewhere(url)] == []


def test_no_page_uses_what_the_themes_script_would_fetch(site):
    """Its script loads diagrams from a CDN where a page has one, and a repository's figures where one is linked."""
    pages = [page.read_text(encoding="utf-8") for page in site.rglob("*.html")]
    assert not [page for page in pages if 'class="mermaid"' in page or 'data-md-component="source"' in page]


def test_search_runs_from_the_sites_own_files(site):
    page = site / "reference" / "client.html"
    config = re.search(
        r'<script id="__config" type="application/json">(.*?)</script>', page.read_text(encoding="utf-8")
    )
    assert config is not None
    assert (page.parent / json.loads(config[1])["search"]).is_file()


def test_search_knows_the_reference(site):
    index = json.loads((site / "search" / "search_index.json").read_text(encoding="utf-8"))
    found = {entry["location"] for entry in index["docs"]}
    assert {"reference/client.html#avtomatika_client.Client", "tutorial.html"} <= found
    assert "reference/settings.html#server" in found


@pytest.mark.parametrize("package", MODULES)
def test_every_public_name_is_in_the_reference(site, package):
    ids = {found for page in site.rglob("*.html") for found in _Loads(page).ids}
    names = set(import_module(package).__all__) - WITHOUT_ANCHOR
    assert [name for name in sorted(names) if f"{package}.{name}" not in ids] == []


def _verbs() -> list[tuple[str, str]]:
    """Classes of the client's sync face that are no public names of their own, with their methods."""
    modules = [f"avtomatika_client._resources.{file.stem}" for file in RESOURCES.glob("_[a-z]*.py")]
    classes = {made for name in modules for made in vars(import_module(name)).values() if inspect.isclass(made)}
    return [
        (f"{made.__module__}.{made.__name__}", name)
        for made in sorted(classes, key=lambda made: made.__name__)
        if made.__module__ in modules and not made.__name__.startswith(("Async", "_"))
        if made.__name__ not in avtomatika_client.__all__
        for name, member in vars(made).items()
        if inspect.isfunction(member) and not name.startswith("_")
    ]


def test_everything_that_hangs_on_a_client_is_in_the_reference(site):
    """On the sync face; the async one has the same names (tests/client/test_faces.py)."""
    ids = _Loads(site / "reference" / "client.html").ids
    assert len(_verbs()) > 5
    assert [f"{made}.{name}" for made, name in _verbs() if f"{made}.{name}" not in ids] == []


@pytest.mark.parametrize("package", PACKAGES[:2])
def test_the_error_trees_are_shown(site, package):
    page = (site / "reference" / f"{package.partition('_')[2]}.html").read_text(encoding="utf-8")
    assert "├── " in page


def test_every_setting_is_in_its_table(site):
    page = (site / "reference" / "settings.html").read_text(encoding="utf-8")
    variables = [f"{Settings.model_config['env_prefix']}{name.upper()}" for name in Settings.model_fields]
    assert [variable for variable in variables if f"{variable}</code>" not in page] == []
    assert "at most 65535" in page


def test_every_variable_the_code_reads_is_in_a_table(site):
    page = (site / "reference" / "settings.html").read_text(encoding="utf-8")
    read = {
        node.value
        for package in PACKAGES
        for file in (ROOT / package).rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and re.fullmatch(r"(AVTOMATIKA|ORCHESTRATOR)_[A-Z_]*[A-Z]", node.value)
    }
    assert "AVTOMATIKA_STATE_DIR" in read
    assert [variable for variable in sorted(read) if f"{variable}</code>" not in page] == []


def test_every_option_of_the_command_lines_is_in_the_reference(site):
    page = (site / "reference" / "commands.html").read_text(encoding="utf-8")
    for shown in (
        "orchestrator-lite serve",
        "--durability {power,process}",
        "ORCHESTRATOR_LITE_PORT",
        "avtomatika-worker run",
        "--url",
    ):
        assert f"<code>{shown}</code>" in page, shown


def test_routes_and_features_of_the_server_are_in_the_reference(site):
    page = (site / "reference" / "server.html").read_text(encoding="utf-8")
    for feature in FEATURES:
        assert f"<td><code>{feature}</code></td>" in page, feature
    for route in ("POST /api/v1/{endpoint:path}", "GET /_public/status", "/_worker/ws/{worker_id}"):
        assert f"<td><code>{route}</code></td>" in page, route


def test_the_first_page_leads_to_every_page_of_the_how_tos(site):
    page = (site / "index.html").read_text(encoding="utf-8")
    guides = [guide.stem for guide in (ROOT / "docs" / "how-to").glob("*.md")]
    assert [guide for guide in guides if f"how-to/{guide}.html" not in page] == []


def _broken(tmp_path: Path, page: str, nav: str = "") -> str:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text(page)
    (tmp_path / "docs" / "other.md").write_text("# Other\n")
    config = tmp_path / "mkdocs.yml"
    hook = ROOT / "docs" / "_tools" / "hooks.py"
    plain = "docs_dir: docs\nexclude_docs: ''\nwatch: []\nplugins: []\n"
    config.write_text(f"INHERIT: {ROOT / 'mkdocs.yml'}\nhooks: [{hook}]\n{plain}{nav}")
    done = _build(config, tmp_path / "site")
    assert done.returncode == 1
    return done.stderr


def test_a_page_that_is_not_in_the_nav_fails(tmp_path):
    assert "other.md" in _broken(tmp_path, "# Home\n", "nav: [index.md]\n")


def test_a_link_that_leads_nowhere_fails(tmp_path):
    assert "nowhere.md" in _broken(tmp_path, "# Home\n\n[gone](nowhere.md)\n", "nav: [index.md, other.md]\n")


def test_a_mark_that_nothing_generates_fails(tmp_path):
    text = _broken(tmp_path, "# Home\n\n<!-- generated: weather -->\n", "nav: [index.md, other.md]\n")
    assert "nothing generates 'weather'" in text


def test_a_folder_in_the_nav_is_all_its_pages():
    from docs._tools.hooks import _unfolded

    nav = [{"How to": ["how-to/"]}, {"More": [{"Deep": ["more/first.md", "more/"]}]}]
    pages = ["how-to/a.md", "how-to/b.md", "how-to/deeper/c.md", "more/second.md"]
    assert _unfolded(nav, pages) == [
        {"How to": ["how-to/a.md", "how-to/b.md"]},
        {"More": [{"Deep": ["more/first.md", "more/second.md"]}]},
    ]


def test_what_cannot_be_generated_is_an_error():
    with pytest.raises(KeyError):
        generated("commands no-such-program")
