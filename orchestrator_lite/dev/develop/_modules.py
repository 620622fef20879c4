"""The user's modules in a process of `dev`: always compiled from their source, and found again for the watch."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib.machinery import EXTENSION_SUFFIXES, SOURCE_SUFFIXES, ExtensionFileLoader, FileFinder
from pathlib import Path
from typing import Final

from orchestrator_lite._loading import FreshLoader, is_own, root_of

PACKAGES: Final = frozenset({"avtomatika_client", "avtomatika_worker", "orchestrator_lite"})


def import_fresh(files: Iterable[str]) -> None:
    """Compile what lies beside `files` or below from its source, whatever bytecode is cached."""
    folders = [root_of(Path(file).resolve()) for file in files]

    def finder(path: str) -> FileFinder:
        if not any(is_own(path, folder) for folder in folders) or PACKAGES & set(Path(path).parts):
            raise ImportError(path)
        return FileFinder(path, (ExtensionFileLoader, EXTENSION_SUFFIXES), (FreshLoader, SOURCE_SUFFIXES))

    sys.path_hooks.insert(0, finder)
    sys.path_importer_cache.clear()


def own_folders(files: Iterable[str]) -> list[str]:
    """The folders of the user's modules that are loaded, those of `files` first."""
    roots = list(dict.fromkeys(Path(file).resolve().parent for file in files))
    found = [str(root) for root in roots]
    roots = [root_of(Path(file).resolve()) for file in files]
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if name.partition(".")[0] in PACKAGES or not isinstance(file, str):
            continue
        if any(is_own(file, root) for root in roots):
            found.append(str(Path(file).parent))
    return list(dict.fromkeys(found))
