"""Whose code a line of a traceback is."""

from __future__ import annotations

import asyncio
import os
from functools import cache
from pathlib import Path
from typing import Final

import avtomatika_client
import avtomatika_worker
import orchestrator_lite


def _folder(file: str | None) -> str:
    return f"{Path(file or '').resolve().parent}{os.sep}"


_OURS: Final = tuple(_folder(package.__file__) for package in (avtomatika_client, avtomatika_worker, orchestrator_lite))
_ASYNCIO: Final = _folder(asyncio.__file__)
_STDLIB: Final = _folder(os.__file__)


@cache
def is_ours(file: str) -> bool:
    """Whether a file belongs to one of our packages."""
    return os.path.realpath(file).startswith(_OURS)


@cache
def is_asyncio(file: str) -> bool:
    """Whether a file belongs to asyncio."""
    return os.path.realpath(file).startswith(_ASYNCIO)


@cache
def is_python(file: str) -> bool:
    """Whether a file belongs to Python itself."""
    real = os.path.realpath(file)
    return file.startswith("<") or (real.startswith(_STDLIB) and "site-packages" not in real)
