"""Finding the Worker that `module:name` means."""

from __future__ import annotations

import sys
import traceback
from importlib import import_module
from pathlib import Path
from types import ModuleType

from avtomatika_worker._worker import Worker
from avtomatika_worker.errors import WorkerConfigError


def load_worker(where: str) -> Worker:
    """The Worker at `module:name`; without `:name`, the module's only Worker.

    Raises:
        WorkerConfigError: There is none; the message says what is there.
    """
    module_name, _, attribute = where.partition(":")
    # A file's name is what people type first.
    module_name = module_name.removesuffix(".py").replace("/", ".").strip(".")
    module = _import(module_name)
    found = {name: value for name, value in vars(module).items() if isinstance(value, Worker)}
    if not attribute:
        if len(set(found.values())) == 1:
            return next(iter(found.values()))
        raise WorkerConfigError(f"{module_name} has {_listed(found)}; write {module_name}:NAME.")
    value: object = module
    for part in attribute.split("."):
        value = getattr(value, part, None)
    if isinstance(value, Worker):
        return value
    what = "nothing" if value is None else f"no Worker but {type(value).__name__}"
    raise WorkerConfigError(f"{module_name} has {what} named {attribute!r}; it has {_listed(found)}.")


def _import(name: str) -> ModuleType:
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise WorkerConfigError(f"No module {name!r} in {folder} or on the Python path.") from None
        raise WorkerConfigError(_told(name, error)) from error
    except ValueError:
        raise WorkerConfigError(f"{name!r} is no module's name; write MODULE:WORKER, e.g. greet:worker.") from None
    except Exception as error:
        raise WorkerConfigError(_told(name, error)) from error


def _told(name: str, error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "importlib" not in frame.filename and frame.filename != __file__]
    place = f" ({own[-1].filename}:{own[-1].lineno})" if own else ""
    if isinstance(error, SyntaxError) and error.filename:
        place = f" ({error.filename}:{error.lineno})"
    return f"Importing {name} failed: {type(error).__name__}: {error}{place}"


def _listed(found: dict[str, Worker]) -> str:
    return "the workers " + ", ".join(sorted(found)) if found else "no Worker"
