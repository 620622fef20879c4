"""What `dev` writes: where the server is, how to try it, what was reloaded, what is wrong with the files."""

from __future__ import annotations

import json
import os
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

from avtomatika_client.protocol import headers
from orchestrator_lite.dev.develop._orders import Loaded, Ready

BOLD, DIM, RED, GREEN = "1", "2", "31", "32"
_HERE: Final = Path.cwd()  # once: the folder may be moved away meanwhile
LONGEST: Final = 500
"""Characters of an error that are shown."""


def painted(text: str, colour: str, out: TextIO) -> str:
    """The text in a colour, where the output is a terminal and `NO_COLOR` is not set."""
    if os.environ.get("NO_COLOR") or not out.isatty():
        return text
    return f"\033[{colour}m{text}\033[0m"


@dataclass(frozen=True, slots=True)
class Running:
    """What is being served, for the eyes of its developer."""

    url: str
    server: Loaded
    workers: Loaded
    ready: Ready

    @property
    def names(self) -> list[object]:
        """What would be shown of it."""
        return [self.server.blueprints, [(one.name, one.skills) for one in self.workers.workers]]


class Screen:
    """Standard output, and standard error for what is wrong."""

    def started(self, running: Running, files: list[str], *, forgets: bool) -> None:
        """The server answers for the first time."""
        out = sys.stdout
        title = painted("orchestrator-lite dev", BOLD, out)
        where = painted(running.url, GREEN, out)
        _write(out, f"{title}  {where}")
        self.details(running, forgets=forgets)
        names = ", ".join(dict.fromkeys(shown(os.path.normpath(file)) for file in files))
        _write(out, painted(f"Saving {names} or what it imports reloads it; Ctrl-C stops.", DIM, out))

    def reloaded(self, changed: list[str], seconds: float) -> None:
        """What was saved is being served."""
        what = f"{'reloaded' if changed else 'started again'} in {seconds:.2f} s"
        names = ", ".join(shown(file) for file in changed)
        _write(sys.stdout, f"{painted(what, GREEN, sys.stdout)}  {names}".rstrip())

    def broken(self, text: str, *, serving: bool) -> None:
        """The files cannot be loaded."""
        err = sys.stderr
        _write(err, painted(one_line(text), RED, err))
        still = "the last version that worked is still served" if serving else "nothing is served"
        _write(err, painted(f"  {still}; waiting for the next save", DIM, err))

    def note(self, text: str) -> None:
        """Something worth a line."""
        _write(sys.stderr, painted(one_line(text), DIM, sys.stderr))

    def details(self, running: Running, *, forgets: bool) -> None:
        """What is served, and lines to try it with."""
        served = running.server.blueprints
        rows = [("blueprints", ", ".join(one.name for one in served))]
        workers = [f"{one.name} ({', '.join(one.skills) or 'no skills'})" for one in running.workers.workers]
        rows.append(("workers", ", ".join(workers) or "none in the files: start one with avtomatika-worker run"))
        if running.ready.development:
            rows.append(("client token", headers.DEV_CLIENT_TOKEN))
            rows.append(("worker token", headers.DEV_WORKER_TOKEN))
        else:
            rows.append(("tokens", "as configured"))
        rows.append(("store", _store(running.ready, forgets=forgets)))
        for name, value in rows:
            _write(sys.stdout, f"  {painted(f'{name:<13}', DIM, sys.stdout)} {value}")
        for line in commands(running):
            _write(sys.stdout, f"  {line}")


def commands(running: Running) -> list[str]:
    """Lines that submit a job of the first blueprint which can be reached, to be pasted into a shell."""
    from orchestrator_lite.dev.develop._example import initial_data

    served = next((one for one in running.server.blueprints if one.path is not None), None)
    if served is None:
        return []
    data = initial_data(served.keys, (schema for worker in running.workers.workers for schema in worker.inputs))
    token = headers.DEV_CLIENT_TOKEN if running.ready.development else "$ORCHESTRATOR_LITE_CLIENT_TOKEN"
    body = shlex.quote(json.dumps({"initial_data": data}, ensure_ascii=False))
    curl = f'curl -sS {running.url}{served.path} -H "X-Client-Token: {token}" -d {body}'
    environment = [] if running.url == headers.DEFAULT_URL else [f"AVTOMATIKA_URL={running.url}"]
    environment += [] if running.ready.development else [f'AVTOMATIKA_CLIENT_TOKEN="{token}"']
    submit = (
        f"avtomatika jobs submit {shlex.quote(served.name)} {shlex.quote(json.dumps(data, ensure_ascii=False))} --wait"
    )
    return [curl, " ".join([*environment, submit])]


def shown(file: str) -> str:
    """A path as short as it can be said from here."""
    path = Path(file)
    return str(path.relative_to(_HERE)) if path.is_relative_to(_HERE) else file


def one_line(text: str) -> str:
    """Text of others on one line, paths from here."""
    joined = " ".join(text.split()).replace(f"{_HERE}{os.sep}", "")
    return joined if len(joined) <= LONGEST else f"{joined[:LONGEST]} …"


def _store(ready: Ready, *, forgets: bool) -> str:
    if forgets:
        return "in memory: jobs survive reloads and end with this command"
    where = shown(ready.store.removeprefix("sqlite:///"))
    if not ready.unfinished:
        return where
    jobs = "1 unfinished job goes on" if ready.unfinished == 1 else f"{ready.unfinished} unfinished jobs go on"
    return f"{where}: {jobs} from last time (--store memory starts empty)"


def _write(out: TextIO, line: str) -> None:
    try:
        out.write(f"{line}\n")
        out.flush()
    except BrokenPipeError:  # whoever read us is gone; that is no reason to stop serving
        return
