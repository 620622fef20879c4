"""The environment variables of client and worker, from the docstrings of what reads them."""

from __future__ import annotations

import re
from collections.abc import Iterator

import griffe

import avtomatika_client
import avtomatika_worker
from avtomatika_worker._settings import state_folder
from docs._tools.tables import described, summary, table

VARIABLE = re.compile(r"`(AVTOMATIKA_[A-Z_]+)`")

READERS = {
    "client": (avtomatika_client.Client,),
    "worker": (avtomatika_worker.Worker.__init__, state_folder),
}


def environment_table(reader: str) -> str:
    """One row a variable of `client` or `worker`: the argument it stands in for, and that argument's description.

    Raises:
        KeyError: No such reader.
    """
    rows = [row for thing in READERS[reader] for row in _rows(thing)]
    return table(("environment", "argument", ""), rows)


def _rows(thing: object) -> Iterator[tuple[str, str, str]]:
    for variable in VARIABLE.findall(summary(thing)):
        yield f"`{variable}`", "", summary(thing)
    for name, text in described(thing, griffe.DocstringSectionKind.parameters).items():
        for variable in VARIABLE.findall(text):
            yield f"`{variable}`", f"`{name}`", text
