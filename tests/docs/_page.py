"""Reads what a Markdown page shows its reader: fenced blocks, wherever they stand."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KINDS = {
    **dict.fromkeys(("python", "py", "python3"), "python"),
    **dict.fromkeys(("pycon", "python-console", "python-repl"), "pycon"),
    **dict.fromkeys(("console", "shell-session", "shellsession", "terminal"), "console"),
    **dict.fromkeys(("bash", "sh", "shell", "zsh"), "script"),
    **dict.fromkeys(("text", "toml", "json", "yaml", "ini", "http", "html", "diff", "sql"), "data"),
}
"""What is done with a block of a language; another language, or none, is a mistake."""

_COMMAND = re.compile(r"(?P<line>(?:[^\n]*\\\n)*[^\n]*)\n?(?P<output>.*)", re.DOTALL)
_FENCE = re.compile(r"^(?P<indent>[ \t]*)(?P<fence>`{3,}|~{3,})(?P<info>[^`]*)$")
_LANGUAGE = re.compile(r"^\{?\s*\.?(?P<language>[\w+-]+)")
_REASON = re.compile(r"^\s*<!-- not run: (?P<reason>\S.*?) -->\s*$")
_CTRL_C = re.compile(r"^\s*<!-- ctrl-c -->\s*$")
_TITLE = re.compile(r'\btitle="(?P<name>[^"]+)"')
_NAMED = re.compile(r"^#+ (?P<name>[\w./-]+\.(?:py|toml|yaml|yml|ini|json|txt))(?:\s{2,}.*)?$")


@dataclass(frozen=True)
class Command:
    """A line of a console block and the output shown below it."""

    line: str
    output: str


@dataclass(frozen=True)
class Block:
    """A fenced block, or the wish that what runs be stopped.

    Attributes:
        where: Page and line, for messages.
        kind: `python`, `pycon`, `console`, `script`, `data`; or `ctrl-c`.
        body: What stands in it, without the indentation of its fence.
        reason: Why it is not run; None: it is.
        title: What the fence calls it.
    """

    where: str
    kind: str
    body: str = ""
    reason: str | None = None
    title: str | None = None

    @property
    def file(self) -> str | None:
        """The file it is the text of: its title, or what its first line, a comment, names."""
        named = _NAMED.match(self.body.partition("\n")[0])
        name = self.title or (named["name"] if named else None)
        assert name is None or not (name.startswith("/") or ".." in name), f"{self.where}: {name} lies elsewhere"
        return name

    @property
    def is_test(self) -> bool:
        """Whether it is a file of tests."""
        return self.file is not None and re.fullmatch(r"(?:.*/)?test_\w+\.py", self.file) is not None

    def commands(self) -> list[Command]:
        """The lines of a console block that begin with `$ `, each with what stands below it."""
        parts = re.split(r"^\$ ", self.body, flags=re.MULTILINE)
        assert not parts[0].strip(), f"{self.where}: a console block begins with `$ `"
        found = [_COMMAND.fullmatch(part) for part in parts[1:]]
        return [Command(command["line"], command["output"]) for command in found if command]


def used_files(page: Path) -> list[str]:
    """The files of the checkout a page's reader is supposed to have: `<!-- uses examples/… -->`."""
    return re.findall(r"^<!-- uses (\S+) -->$", page.read_text(encoding="utf-8"), re.MULTILINE)


def blocks(page: Path) -> list[Block]:
    """Every fenced block of `page` in order: in lists, admonitions, tabs and quotes too.

    Raises:
        AssertionError: A fence is not closed, names no known language or hides from this reader; a reason stands
            above no block.
    """
    return list(_read(page.name, page.read_text(encoding="utf-8").splitlines()))


def _read(page: str, lines: list[str]) -> Iterator[Block]:
    reason, at = None, 0
    while at < len(lines):
        where = f"{page}:{at + 1}"
        if fence := _FENCE.match(lines[at]):
            end = _closing(fence, lines, at)
            assert end is not None, f"{where}: this fence is not closed"
            yield _block(where, fence, lines[at + 1 : end], reason)
            reason, at = None, end + 1
            continue
        assert reason is None, f"{where}: a reason not to run stands right above its block"
        assert not re.search(r"^\s*(?:[-*+>]|\d+[.)])\s*.*(?:```|~~~)|<pre\b", lines[at]), f"{where}: a hidden fence"
        if _CTRL_C.match(lines[at]):
            yield Block(where, "ctrl-c")
        told = _REASON.match(lines[at])
        assert told or "<!-- not run" not in lines[at], f"{where}: `<!-- not run: reason -->`, on a line of its own"
        reason = told["reason"] if told else None
        at += 1
    assert reason is None, f"{page}: a reason not to run stands above nothing"


def _closing(fence: re.Match[str], lines: list[str], at: int) -> int | None:
    mark = re.compile(rf"^[ \t]*{fence['fence'][0]}{{{len(fence['fence'])},}}[ \t]*$")
    return next((number for number in range(at + 1, len(lines)) if mark.match(lines[number])), None)


def _block(where: str, fence: re.Match[str], lines: list[str], reason: str | None) -> Block:
    info = fence["info"].strip()
    named = _LANGUAGE.match(info)
    kind = KINDS.get(named["language"].lower()) if named else None
    assert kind is not None, f"{where}: {info or 'no language'}: none of {', '.join(KINDS)}"
    assert reason is None or kind != "data", f"{where}: such a block is never run"
    title = _TITLE.search(info)
    body = "".join(f"{line.removeprefix(fence['indent'])}\n" for line in lines)
    return Block(where, kind, body, reason, title["name"] if title else None)
