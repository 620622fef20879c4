"""Markdown tables, and what docstrings say about arguments and attributes."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence

import griffe


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; cells are one line each."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def described(thing: object, kind: griffe.DocstringSectionKind) -> dict[str, str]:
    """Names and texts of one section (arguments, attributes) of a docstring in Google's style."""
    for section in _sections(thing):
        if section.kind is kind:
            return {item.name: " ".join(item.description.split()) for item in section.value}
    return {}


def summary(thing: object) -> str:
    """The first paragraph of a docstring."""
    return " ".join((inspect.getdoc(thing) or "").partition("\n\n")[0].split())


def _sections(thing: object) -> list[griffe.DocstringSection]:
    # Types stand in annotations; without this the parser would warn that the docstring repeats none.
    return griffe.Docstring(inspect.getdoc(thing) or "").parse("google", warnings=False)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
