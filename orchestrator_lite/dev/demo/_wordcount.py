"""Finds and loads the demo's own files: `examples/wordcount`, which travels inside the wheel."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

_HERE = Path(__file__).resolve().parent


def folder() -> Path:
    """Where blueprint, skills and client of the word count lie: in the wheel here, in a checkout under `examples`.

    Raises:
        FileNotFoundError: Neither is there; the installation is incomplete.
    """
    for candidate in (_HERE / "wordcount", _HERE.parents[2] / "examples" / "wordcount"):
        if (candidate / "blueprint.py").is_file():
            return candidate
    raise FileNotFoundError(f"the demo's files are missing: {_HERE / 'wordcount'}")


def load(name: str) -> ModuleType:
    """The module `name` of the word count, loaded from its file."""
    file = folder() / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"wordcount_{name}", file)
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot load {file}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module.__name__] = module  # where the hints of its functions are looked up
    spec.loader.exec_module(module)
    return module
