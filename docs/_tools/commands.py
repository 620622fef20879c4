"""The command lines' reference, from the commands themselves."""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import Any

import typer

from docs._tools import settings
from docs._tools.tables import table
from orchestrator_lite._cli._options import variable_of
from orchestrator_lite.settings import Settings

APPS = {
    "avtomatika": "avtomatika_client._cli._main",
    "avtomatika-worker": "avtomatika_worker._cli",
    "orchestrator-lite": "orchestrator_lite._cli._main",
}


def commands_text(program: str) -> str:
    """What a program says of itself, then every command: its usage, what it does, its arguments and options.

    Raises:
        KeyError: No such program.
    """
    root = typer.main.get_command(import_module(APPS[program]).app)
    of_all = [_help(root), *_options(_shown(root), of_server=False)] if root.params else []
    known = {tuple(parameter.opts) for parameter in root.params}
    return "\n\n".join([*of_all, *(_told(command, path, known) for path, command in _leaves(root, program))])


def _leaves(command: Any, path: str) -> list[tuple[str, Any]]:
    children = getattr(command, "commands", None)
    if children is None:
        return [(path, command)]
    return [leaf for name, child in children.items() if not child.hidden for leaf in _leaves(child, f"{path} {name}")]


def _told(command: Any, path: str, known: set[tuple[str, ...]]) -> str:
    shown = [parameter for parameter in _shown(command) if tuple(parameter.opts) not in known]
    places = [_placed(parameter) for parameter in shown if not _is_option(parameter)]
    options = _options(shown, of_server=path.startswith("orchestrator-lite"))
    return "\n\n".join([f"### `{path}`", _help(command), f"`{' '.join([path, *places])}`", *options])


def _help(command: Any) -> str:
    """Its docstring; what click is told to leave as it is (a backspace) becomes a block."""
    parts = inspect.cleandoc(command.help or "").split("\n\n")
    return "\n\n".join(f"```text\n{part[2:]}\n```" if part.startswith("\b\n") else part for part in parts)


def _options(shown: list[Any], *, of_server: bool) -> list[str]:
    rows = [_row(parameter, of_server) for parameter in shown]
    return [table(("", "environment", "default", ""), rows)] if rows else []


def _shown(command: Any) -> list[Any]:
    return [parameter for parameter in command.params if not getattr(parameter, "hidden", False)]


def _placed(parameter: Any) -> str:
    name = _metavar(parameter)
    return f"{name if parameter.required else f'[{name}]'}{'…' if parameter.nargs == -1 else ''}"


def _row(parameter: Any, of_server: bool) -> tuple[str, str, str, str]:
    variables, default = _variables(parameter), _default(parameter)
    if of_server and _is_option(parameter) and (field := Settings.model_fields.get(parameter.name)):
        variables = [variable_of(parameter.name)]
        default = "" if "default:" in (parameter.help or "") else settings.default(field)
    return _name(parameter), ", ".join(f"`{name}`" for name in variables), default, parameter.help or ""


def _is_option(parameter: Any) -> bool:
    return str(parameter.opts[0]).startswith("-")


def _name(parameter: Any) -> str:
    if not _is_option(parameter):
        return f"`{_metavar(parameter)}`"
    value = f" {parameter.metavar}" if parameter.metavar else ""
    return ", ".join(f"`{flag}{value}`" for flag in [*parameter.opts, *parameter.secondary_opts])


def _metavar(parameter: Any) -> str:
    return str(parameter.metavar or parameter.name.upper())


def _variables(parameter: Any) -> list[str]:
    given = parameter.envvar or []
    return [given] if isinstance(given, str) else list(given)


def _default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    if parameter.default in (None, False, (), []) or not getattr(parameter, "show_default", True):
        return ""
    return f"`{parameter.default}`"
