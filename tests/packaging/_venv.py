"""A virtual environment that has the wheel, borrows the dependencies of this one and nothing from the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path


class Venv:
    """A fresh environment in `folder`; commands run in a folder outside the checkout."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.outside = folder / "outside"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
        self.outside.mkdir()
        self.bin = folder / ("Scripts" if os.name == "nt" else "bin")
        found = self.run("-c", "import sysconfig; print(sysconfig.get_path('purelib'))")
        self.site = Path(found.stdout.strip())

    def install(self, *wheels: Path) -> None:
        """Install wheels, one pip run each, in this order; without index and dependencies."""
        for wheel in wheels:
            self.pip("install", "--no-index", "--no-deps", str(wheel))

    def pip(self, *arguments: str) -> None:
        """Run this environment's pip on the fresh one."""
        command = [sys.executable, "-m", "pip", "--python", str(self.bin / "python"), "--disable-pip-version-check"]
        subprocess.run([*command, *arguments], check=True, capture_output=True, cwd=self.outside)

    def borrow_dependencies(self) -> None:
        """Let it see this environment's packages; editable installations are not seen through a .pth file."""
        (self.site / "borrowed.pth").write_text(f"{sysconfig.get_path('purelib')}\n")

    def forget(self, *modules: str) -> None:
        """Make it as if these top-level modules were not installed."""
        (self.site / "sitecustomize.py").write_text(
            "import sys\n"
            "class Gone:\n"
            "    def find_spec(self, name, path=None, target=None):\n"
            f"        if name.partition('.')[0] in {set(modules)!r}:\n"
            "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
            "sys.meta_path.insert(0, Gone())\n"
        )

    def run(self, *arguments: str, script: str = "python") -> subprocess.CompletedProcess[str]:
        """Run a program of the environment; stdin is empty, the environment clean of what steers Python or us."""
        steering = ("PYTHON", "AVTOMATIKA", "ORCHESTRATOR", "PYTEST")
        return subprocess.run(
            [str(self.bin / script), *arguments],
            cwd=self.outside,
            env={name: value for name, value in os.environ.items() if not name.startswith(steering)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=55,
            check=False,
        )
