"""What the `dev` command and its processes say to each other, a JSON line each."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Load:
    """Load the files. `options`: what the command was told, encoded."""

    options: str


@dataclass(frozen=True, slots=True)
class Go:
    """Begin to serve, or to work.

    Attributes:
        url: Where the server is, or will be in a moment.
        token: What workers show it; empty for the server itself.
        state: The folder of the workers' journals.
    """

    url: str
    token: str = ""
    state: str = ""


@dataclass(frozen=True, slots=True)
class Drain:
    """Take no more tasks, finish those that run, end."""


@dataclass(frozen=True, slots=True)
class Stop:
    """End within seconds."""


@dataclass(frozen=True, slots=True)
class Served:
    """A blueprint, as far as a caller needs to know it.

    Attributes:
        name: Its name.
        path: Where its jobs are created; None: not over HTTP.
        keys: What its start asks of the initial data.
    """

    name: str
    path: str | None
    keys: list[str]


@dataclass(frozen=True, slots=True)
class Offered:
    """A worker.

    Attributes:
        name: Its type.
        skills: Names.
        inputs: JSON schemas of its skills' input.
    """

    name: str
    skills: list[str]
    inputs: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Loaded:
    """The files are loaded; the process waits for `Go`.

    Attributes:
        folders: Where the user's modules lie.
        host: Where the server is to listen.
        port: Likewise; 0: any.
        token: What workers are to show.
        state: The folder of the workers' journals.
        blueprints: What the server serves.
        workers: What the worker process runs.
    """

    folders: list[str]
    host: str = ""
    port: int = 0
    token: str = field(default="", repr=False)
    state: str = ""
    blueprints: list[Served] = field(default_factory=list)
    workers: list[Offered] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Broken:
    """The files cannot be loaded; saving them again may help."""

    text: str
    folders: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Fatal:
    """Nothing that is saved can help."""

    text: str


@dataclass(frozen=True, slots=True)
class Ready:
    """The server answers, or the workers are registered.

    Attributes:
        development: Whether the development tokens hold.
        store: Where the jobs are.
        unfinished: Jobs of earlier runs that go on.
    """

    development: bool = False
    store: str = ""
    unfinished: int = 0


Message = Load | Go | Drain | Stop | Loaded | Broken | Fatal | Ready

_KINDS: Final[dict[str, type[Message]]] = {
    kind.__name__: kind for kind in (Load, Go, Drain, Stop, Loaded, Broken, Fatal, Ready)
}


def encode(message: Message) -> bytes:
    """A message as a line."""
    return json.dumps([type(message).__name__, asdict(message)]).encode() + b"\n"


def decode(line: bytes) -> Message:
    """The message a line holds."""
    kind, fields = json.loads(line)
    if kind == "Loaded":
        fields["blueprints"] = [Served(**one) for one in fields["blueprints"]]
        fields["workers"] = [Offered(**one) for one in fields["workers"]]
    return _KINDS[kind](**fields)
