"""Starts the processes of `dev`; loads little, since they take longest to get ready and are started first."""

from __future__ import annotations

import socket
import subprocess
import sys
from dataclasses import dataclass
from typing import Final

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


def spawn(name: str, module: str, *arguments: str) -> Spawned:
    """Start a module as a process in a session of its own: Ctrl-C reaches the command alone.

    Args:
        name: What it is, for messages.
        module: The module; its first argument is the descriptor of its end of the line.
        arguments: The others.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(  # noqa: S603 - this interpreter and our own modules
            [sys.executable, "-P", "-m", _BOOT, module, str(theirs.fileno()), *arguments],
            stdin=subprocess.DEVNULL,
            pass_fds=(theirs.fileno(),),
            start_new_session=True,
        )
    return Spawned(name, process, ours)


def spawn_both(options: ServerOptions) -> tuple[Spawned, Spawned]:
    """Start server and workers; they load the files at once."""
    package = "orchestrator_lite.dev.develop"
    server = spawn("server", f"{package}._server_process", options.encode())
    return server, spawn("workers'", f"{package}._workers_process", *options.files)
