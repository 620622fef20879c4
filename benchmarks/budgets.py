"""`python -m benchmarks budgets`: the limits the build keeps to; exits 1 when one is exceeded."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

ATTEMPTS = 7
GREET = Path(__file__).parents[1] / "examples" / "greet" / "greet.py"
IMPORT = """
import sys, time
begin = time.perf_counter()
import avtomatika_client
spent = time.perf_counter() - begin
print(spent * 1000)
print(*sorted(sys.modules.keys() & {"httpx", "rich", "avtomatika_worker", "orchestrator_lite"}))
"""


@dataclass(frozen=True)
class Budget:
    """A figure and what it may be.

    Attributes:
        name: What is measured.
        limit: What it may be at most on a quiet machine.
        unit: Of the limit.
        measure: Takes the figure once; the least of seven counts, since noise only adds.
    """

    name: str
    limit: float
    unit: str
    measure: Callable[[], float]


class BrokenPromiseError(Exception):
    """Something that must hold at any speed does not."""


def client_import_ms() -> float:
    """Milliseconds `import avtomatika_client` takes in a fresh interpreter.

    Raises:
        BrokenPromiseError: It loaded httpx, rich or one of the other two packages.
    """
    run = subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True, check=True)
    spent, loaded = run.stdout.splitlines()
    if loaded.strip():
        raise BrokenPromiseError(f"import avtomatika_client loads {loaded}")
    return float(spent)


def dev_ready_ms() -> float:
    """Milliseconds `orchestrator-lite dev` takes from its start until server and worker are ready.

    Raises:
        BrokenPromiseError: It ended before.
    """
    command = str(Path(sysconfig.get_path("scripts")) / "orchestrator-lite")
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(GREET, folder)
        begin = time.perf_counter()
        run = [command, "dev", "greet.py", "--port", "0", "--store", "memory"]
        with subprocess.Popen(run, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
            try:
                ready = any("Ctrl-C stops" in line for line in process.stdout or ())
                spent = time.perf_counter() - begin
            finally:
                process.terminate()
    if not ready:
        raise BrokenPromiseError("orchestrator-lite dev ended before it was ready")
    return spent * 1000


BUDGETS = (
    Budget("import avtomatika_client", 150, "ms", client_import_ms),
    Budget("orchestrator-lite dev until ready", 1000, "ms", dev_ready_ms),
)


def check(budgets: Sequence[Budget], factor: float) -> int:
    """Measure each, print a line each; 1 when one is over its limit × `factor` or broken, else 0."""
    failed = False
    for budget in budgets:
        try:
            best = min(budget.measure() for _ in range(ATTEMPTS))
        except BrokenPromiseError as error:
            print(f"FAIL {budget.name}: {error}")
            failed = True
            continue
        allowed = budget.limit * factor
        verdict = "ok  " if best <= allowed else "OVER"
        print(f"{verdict} {budget.name}: {best:.1f} {budget.unit}, best of {ATTEMPTS} (limit {allowed:g})")
        failed = failed or best > allowed
    return int(failed)


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("--factor", type=float, default=1.0, help="multiplies every limit; for slow or busy machines")


def main(options: argparse.Namespace) -> int:
    """Check every budget."""
    return check(BUDGETS, options.factor)
