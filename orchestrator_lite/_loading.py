"""Loads the file an operator serves: its blueprints, and errors in one line."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from avtomatika_client.protocol.errors import AvtomatikaError
from orchestrator_lite.blueprint import Blueprint


class LoadError(AvtomatikaError):
    """The file cannot be served; the message says what to do, in one line."""


def load_blueprints(path: str) -> list[Blueprint]:
    """The blueprints a Python file defines, in the order of their definition.

    Args:
        path: The file.

    Raises:
        LoadError: There is no such file, it does not run, or it defines no blueprint.
        BlueprintError: One of its blueprints is wrong; file and line come first.
    """
    module = load_file(path)
    found = {id(item): item for item in vars(module).values() if isinstance(item, Blueprint)}
    if not found:
        raise LoadError(f"{path} defines no blueprint: expected something like greet_flow = Blueprint('greet', …)")
    return list(found.values())


def load_file(path: str) -> ModuleType:
    """Run a Python file as a module of its own name; its folder can be imported from.

    Raises:
        LoadError: There is no such file, or it raised: the message names file, line and error.
        AvtomatikaError: What our own definitions raised.
    """
    file = Path(path).resolve()
    if not file.is_file():
        raise LoadError(f"{path}: no such file")
    name = file.stem
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise LoadError(f"{path}: not a Python file")
    if str(file.parent) not in sys.path:
        sys.path.insert(0, str(file.parent))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except AvtomatikaError:
        raise
    except (Exception, SystemExit) as error:
        raise LoadError(f"{_place(error, file)}: {type(error).__name__}: {error}") from error
    return module


def _place(error: BaseException, file: Path) -> str:
    """The last line of `file` that led to the error."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    place, trace = str(file), error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(file):
            place = f"{file}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place
