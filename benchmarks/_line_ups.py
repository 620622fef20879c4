"""Who plays: a server, a worker and a load generator, each with the settings that let it run at its best."""

from __future__ import annotations

import sys
import sysconfig
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import _envs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from benchmarks._load import Plan

HERE = Path(__file__).resolve().parent
SLOTS = 50
CLIENT_TOKEN = "bench-client-token"
WORKER_TOKEN = "bench-worker-token"
SECRET = {"ORCHESTRATOR_SECRET_KEY": "bench-secret-key"}
"""With it the official worker insists on signed tasks, which the official server sends."""


@dataclass(frozen=True)
class Side:
    """How to start one process of a line-up."""

    command: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class LineUp:
    """Three ways to start a process, given what only the round knows: the port, the URL, the plan, a scratch folder."""

    name: str
    server: Callable[[int, Path], Side]
    worker: Callable[[str, Path], Side]
    load: Callable[[Plan], Side]


def _official_server(envs: Path) -> Callable[[int, Path], Side]:
    python = _envs.ensure(envs, "official-server", _envs.OFFICIAL_SERVER)

    def side(port: int, _scratch: Path) -> Side:
        env = {
            "API_HOST": "127.0.0.1",
            "API_PORT": str(port),
            "CLIENT_TOKEN": CLIENT_TOKEN,
            "GLOBAL_WORKER_TOKEN": WORKER_TOKEN,
            **SECRET,
            "RATE_LIMITING_ENABLED": "false",
            "LOG_LEVEL": "WARNING",
        }
        return Side([python, str(HERE / "official" / "server.py")], env)

    return side


def _official_worker(envs: Path, secret: dict[str, str]) -> Callable[[str, Path], Side]:
    python = _envs.ensure(envs, "official-worker", _envs.OFFICIAL_WORKER)

    def side(url: str, scratch: Path) -> Side:
        env = {
            "ORCHESTRATOR_URL": url,
            **secret,
            "WORKER_TOKEN": WORKER_TOKEN,
            "WORKER_ID": "bench-1",
            "LOG_LEVEL": "WARNING",
            "TASK_FILES_DIR": str(scratch),
            "WORKER_BLOB_CACHE_DIR": str(scratch),
            "BENCH_SLOTS": str(SLOTS),
        }
        return Side([python, str(HERE / "official" / "worker.py")], env)

    return side


def _http_load(envs: Path) -> Callable[[Plan], Side]:
    python = _envs.ensure(envs, "official-server", _envs.OFFICIAL_SERVER)
    return lambda plan: Side([python, str(HERE / "load_http.py"), plan.dump()])


def _our_server(store: str, durability: str) -> Callable[[int, Path], Side]:
    def side(port: int, scratch: Path) -> Side:
        target = store or f"sqlite:///{scratch / 'lite.db'}"
        command = [_script("orchestrator-lite"), "serve", str(HERE / "ours" / "app.py")]
        env = {
            "ORCHESTRATOR_LITE_CLIENT_TOKEN": CLIENT_TOKEN,
            "ORCHESTRATOR_LITE_WORKER_TOKEN": WORKER_TOKEN,
            "ORCHESTRATOR_LITE_DURABILITY": durability,
        }
        return Side([*command, "--port", str(port), "--store", target], env)

    return side


def _our_worker(url: str, scratch: Path) -> Side:
    env = {
        "AVTOMATIKA_URL": url,
        "AVTOMATIKA_WORKER_TOKEN": WORKER_TOKEN,
        "AVTOMATIKA_STATE_DIR": str(scratch),
        "BENCH_SLOTS": str(SLOTS),
        "PYTHONPATH": str(HERE / "ours"),
    }
    return Side([_script("avtomatika-worker"), "run", "skills:worker", "--log-level", "warning"], env)


def _script(name: str) -> str:
    return str(Path(sysconfig.get_path("scripts")) / name)


def _our_load(plan: Plan) -> Side:
    return Side([sys.executable, str(HERE / "load_ours.py"), plan.dump()])


def line_ups(names: Sequence[str], envs: Path) -> list[LineUp]:
    """The line-ups called `names`; the official environments are made when one of them needs them."""
    return [KNOWN[name](name, envs) for name in names]


def _official(name: str, envs: Path) -> LineUp:
    return LineUp(name, _official_server(envs), _official_worker(envs, SECRET), _http_load(envs))


def _our_server_alone(name: str, envs: Path) -> LineUp:
    return LineUp(name, _our_server("", "power"), _official_worker(envs, {}), _http_load(envs))


KNOWN: dict[str, Callable[[str, Path], LineUp]] = {
    "official": _official,
    "ours": lambda name, _envs: LineUp(name, _our_server("", "power"), _our_worker, _our_load),
    "ours-process": lambda name, _envs: LineUp(name, _our_server("", "process"), _our_worker, _our_load),
    "ours-memory": lambda name, _envs: LineUp(name, _our_server("memory", "power"), _our_worker, _our_load),
    "ours-polled": lambda name, envs: LineUp(name, _our_server("", "power"), _our_worker, _http_load(envs)),
    "our-server": _our_server_alone,
}
"""Beside `official` and `ours`: other stores, the polling load generator, and our server with the official worker."""


def scratch_folder() -> tempfile.TemporaryDirectory[str]:
    """A folder of a round's own."""
    return tempfile.TemporaryDirectory(prefix="avtomatika-bench-")
