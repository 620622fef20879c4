"""The official packages' own virtual environments, made once and kept."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

OFFICIAL_SERVER = ("avtomatika==1.0b30", "aiohttp", "uvloop")  # uvloop is for the load generator; the server has no use
OFFICIAL_WORKER = ("avtomatika-worker==1.0b20",)


def default_folder() -> Path:
    """Where the environments are kept unless told otherwise."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "avtomatika-sdk-benchmarks"


def ensure(folder: Path, name: str, requirements: Sequence[str]) -> str:
    """The interpreter of the environment `name` in `folder`, made with `requirements` if it is not there yet.

    Raises:
        subprocess.CalledProcessError: pip could not install the packages.
    """
    home = folder / name
    python = home / "bin" / "python"
    stamp = home / "requirements.txt"
    wanted = "\n".join(requirements)
    if stamp.exists() and stamp.read_text() == wanted:
        return str(python)
    print(f"making {home} with {', '.join(requirements)}", file=sys.stderr)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(home)], check=True)
    subprocess.run([str(python), "-m", "pip", "install", "--quiet", *requirements], check=True)
    stamp.write_text(wanted)
    return str(python)
