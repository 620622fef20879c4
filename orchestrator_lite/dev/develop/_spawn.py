"""Starts the processes of `dev`; loads little, since they take longest to get ready and are started first.

What takes them longest is loading our own libraries. They can do that before they are told which files to load, so
`head_start` may start the first pair before the command line has been read.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from orchestrator_lite.dev.develop._orders import Load, encode
from orchestrator_lite.dev.develop._server_options import ServerOptions

_BOOT: Final = "orchestrator_lite.dev.develop._boot"


@dataclass(frozen=True, slots=True)
class Spawned:
    """A process that has been started, before there is a loop to hear it.

    Attributes:
        name: What it is, for messages.
        process: The process.
        line: Our end of the socket pair.
    """

    name: str
    process: subprocess.Popen[bytes]
    line: socket.socket


def spawn(name: str, module: str) -> Spawned:
    """Start a module as a process in a session of its own: Ctrl-C reaches the command alone.

    Args:
        name: What it is, for messages.
        module: The module; its argument is the descriptor of its end of the line.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(  # noqa: S603 - this interpreter and our own modules
            [sys.executable, "-P", "-m", _BOOT, module, str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            pass_fds=(theirs.fileno(),),
            start_new_session=True,
        )
    return Spawned(name, process, ours)


def head_start() -> None:
    """Start the next pair already; it ends by itself if this process does."""
    _ahead.append(_both())


def spawn_both(options: ServerOptions) -> tuple[Spawned, Spawned]:
    """Start server and workers; they load the files at once."""
    both = _ahead.pop() if _ahead else _both()
    for one in both:
        with suppress(OSError):  # it has ended already; whoever listens to it will say so
            one.line.sendall(encode(Load(options.encode())))
    return both


def _both() -> tuple[Spawned, Spawned]:
    package = "orchestrator_lite.dev.develop"
    return spawn("server", f"{package}._server_process"), spawn("workers'", f"{package}._workers_process")


_ahead: Final[list[tuple[Spawned, Spawned]]] = []
