"""The one clash pip does not see: the official `avtomatika-worker` owns the import name `avtomatika_worker` too.

Whichever was installed last has overwritten files of the other, so nothing of either can be trusted.
"""

from __future__ import annotations

import os
import sys
from functools import lru_cache

_MARKS = ("avtomatika_worker-", "avtomatika-worker-")
_METADATA = (".dist-info", ".egg-info")

MESSAGE = """\
avtomatika-sdk and avtomatika-worker are both installed, and both own the package `avtomatika_worker`: \
their files have overwritten each other. To repair it, run

    pip uninstall -y avtomatika-worker avtomatika-sdk
    pip install --force-reinstall 'avtomatika-sdk[all]'
"""


class PackageClashError(ImportError):
    """Two distributions that own the same package are installed."""


def check_clash() -> None:
    """Look once whether the official worker is installed beside this distribution.

    Raises:
        PackageClashError: It is; the message holds the two commands that repair it.
    """
    where = _official_worker(tuple(sys.path))
    if where is not None:
        raise PackageClashError(f"{MESSAGE}\n(found {where})")


@lru_cache(maxsize=4)
def _official_worker(folders: tuple[str, ...]) -> str | None:
    # Listing folders costs a fraction of what importing importlib.metadata does.
    for folder in folders:
        try:
            names = os.listdir(folder or ".")  # noqa: PTH208
        except OSError:
            continue
        for name in names:
            if name.lower().startswith(_MARKS) and name.endswith(_METADATA):
                return os.path.join(folder, name)  # noqa: PTH118  # pathlib costs an import here
    return None
