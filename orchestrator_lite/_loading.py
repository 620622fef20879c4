"""Loads the files an operator serves: their definitions, and errors in one line."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType
from typing import NoReturn, TypeVar

from avtomatika_client.protocol.errors import AvtomatikaError
from orchestrator_lite._given import LoadError, present
from orchestrator_lite.blueprint import Blueprint

T = TypeVar("T")

NO_BLUEPRINT = "defines no blueprint: expected something like greet_flow = Blueprint('greet', …)"
_HAS_PLACE = re.compile(r"^\S.*:\d+: ")


class FreshLoader(SourceFileLoader):
    """Compiles the source as it stands: cached bytecode goes by whole seconds, which two quick saves may share."""

    def get_code(self, fullname: str) -> CodeType:
        """The module's code, from its source."""
        path = self.get_filename(fullname)
        code: CodeType = self.source_to_code(self.get_data(path), path)
        return code


def load_blueprints(paths: Iterable[str]) -> list[Blueprint]:
    """The blueprints that Python files define, in the order of their definition, each once.

    Args:
        paths: The files, or folders: of a folder every `*.py` by name, but those that begin with an underscore.

    Raises:
        LoadError: There is no such file, it does not run, or it (or no file of the folder) defines a blueprint.
        BlueprintError: One of its blueprints is wrong; file and line come first.
    """
    found: list[Blueprint] = []
    for path in paths:
        own = _in_folder(path) if Path(path).is_dir() else defined(load_file(path), Blueprint)
        if not own:
            raise LoadError(f"{path} {NO_BLUEPRINT}")
        found += own
    return unique(found)


def _in_folder(path: str) -> list[Blueprint]:
    """What the files of a folder define; a file may also hold only what the others import."""
    files = sorted(str(file) for file in Path(path).glob("*.py") if not file.name.startswith("_"))
    return [blueprint for file in files for blueprint in defined(load_file(file), Blueprint)]


def defined(module: ModuleType, kind: type[T]) -> list[T]:
    """The objects of a kind that a module has names for, each once."""
    return unique(item for item in vars(module).values() if isinstance(item, kind))


def unique(items: Iterable[T]) -> list[T]:
    """The same objects in their order, each once: one file may have imported what another defines."""
    return list({id(item): item for item in items}.values())


def load_file(path: str) -> ModuleType:
    """Run a Python file as a module of its own name, or of its package's; its folder can be imported from.

    A file that another one has already imported by that name is not run again.

    Raises:
        LoadError: There is no such file, or it raised: the message names file, line and error.
        AvtomatikaError: What our own definitions raised.
    """
    file = present(path)
    if file.stem in sys.stdlib_module_names and root_of(file) == file.parent:
        raise LoadError(f"{path} is named like Python's own module {file.stem!r}: rename the file")
    _importable(file)
    try:
        with _nothing_runs():
            return _run(file)
    except AvtomatikaError as error:
        if _HAS_PLACE.match(str(error)):
            raise
        raise LoadError(f"{_place(error, file)}: {error}") from error
    except (Exception, SystemExit) as error:
        raise LoadError(f"{_place(error, file)}: {type(error).__name__}: {_said(error)}") from error


def root_of(file: Path) -> Path:
    """The folder from which a file is imported: its own, or the one that holds its package."""
    folder = file.parent
    while (folder / "__init__.py").is_file() and folder != folder.parent:
        folder = folder.parent
    return folder


def _importable(file: Path) -> None:
    """Its folder comes before what is installed and after Python's own modules: a helper must not replace those."""
    installed = (at for at, path in enumerate(sys.path) if {"site-packages", "dist-packages"} & {*Path(path).parts})
    at = next(installed, len(sys.path))
    for folder in (str(file.parent), str(root_of(file))):
        if folder not in sys.path:
            sys.path.insert(at, folder)


def _run(file: Path) -> ModuleType:
    """The file as a module: imported already, or run now."""
    package = file.parent.relative_to(root_of(file)).parts
    if package:
        import_module(".".join(package))
    name = ".".join(package if file.stem == "__init__" else (*package, file.stem))
    while (known := sys.modules.get(name)) is not None:
        if getattr(known, "__file__", None) == str(file):
            return known
        name += "_"
    spec = spec_from_file_location(name, file, loader=FreshLoader(name, str(file)))
    assert spec is not None  # noqa: S101 - a loader was given
    module = module_from_spec(spec)
    sys.modules[name] = module
    try:
        FreshLoader(name, str(file)).exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


@contextmanager
def _nothing_runs() -> Iterator[None]:
    """`worker.run()` outside of `if __name__ == "__main__":` would never end; an error names the line instead."""

    def refuse(_: object) -> NoReturn:
        raise LoadError('the file is loaded, not run: put .run() below if __name__ == "__main__":')

    name = "avtomatika_worker._process"
    before = sys.modules.get(name)
    sys.modules[name] = stub = ModuleType(name)
    stub.__dict__["run_process"] = refuse
    try:
        yield
    finally:
        del sys.modules[name]
        if before is not None:
            sys.modules[name] = before


def _said(error: BaseException) -> str:
    """What the error says; a SyntaxError says its place once more in brackets."""
    return error.msg if isinstance(error, SyntaxError) else str(error)


def _place(error: BaseException, file: Path) -> str:
    """The last line of the user's own code that led to the error: in `file`, or beside it or below its package."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    place, trace = str(file), error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code.co_filename
        if is_own(code, root_of(file)):
            place = f"{code}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place


def is_own(file: str, folder: Path) -> bool:
    """Whether a file is the user's own code in `folder`, not of something installed there."""
    path = Path(file)
    return path.is_relative_to(folder) and "site-packages" not in path.parts
