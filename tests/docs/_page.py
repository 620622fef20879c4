"""Reads a Markdown page's fenced blocks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

RUN = frozenset({"python", "console"})
_BLOCK = re.compile(
    r"^(?:<!-- not run: (?P<reason>[^\n]+?) -->\n)?```(?P<language>\w*)[^\n]*\n(?P<body>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_FILE = re.compile(r"# (?P<name>[\w./-]+\.(?:py|toml))\n")


@dataclass(frozen=True)
class Command:
    """A line of a console block and the output shown below it."""

    line: str
    output: str


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        where: Page and line, for messages.
        language: As the fence says.
        body: What stands in it.
        reason: Why it is not run; None: it is.
    """

    where: str
    language: str
    body: str
    reason: str | None

    @property
    def file(self) -> str | None:
        """The file it is the text of, if its first line is a comment that names one."""
        named = _FILE.match(self.body)
        return named["name"] if named else None

    def commands(self) -> list[Command]:
        """The lines of a console block that begin with `$ `, each with what stands below it."""
        parts = re.split(r"^\$ ", self.body, flags=re.MULTILINE)
        assert not parts[0].strip(), f"{self.where}: a console block begins with `$ `"
        return [Command(*part.partition("\n")[::2]) for part in parts[1:]]


def used_files(page: Path) -> list[str]:
    """The files of the checkout a page's reader is supposed to have: `<!-- uses examples/… -->`."""
    return re.findall(r"^<!-- uses (\S+) -->$", page.read_text(encoding="utf-8"), re.MULTILINE)


def blocks(page: Path) -> list[Block]:
    """The blocks of `page` that run, or say why they do not."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in _BLOCK.finditer(text):
        if match["language"] in RUN:
            where = f"{page.name}:{text.count(chr(10), 0, match.start('body'))}"
            found.append(Block(where, match["language"], match["body"], match["reason"]))
    return found
