"""The command lines' reference, from the commands themselves."""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import Any

import typer

from docs._tools import settings
from docs._tools.tables import table
from orchestrator_lite.settings import Settings

APPS = {
    "avtomatika": "avtomatika_client._cli",
    "avtomatika-worker": "avtomatika_worker._cli",
    "orchestrator-lite": "orchestrator_lite._cli._main",
}


def commands_text(program: str) -> str:
    """Every command of a program: its usage, what it does, its arguments and options.

    Raises:
        KeyError: No such program.
    """
    root = typer.main.get_command(import_module(APPS[program]).app)
    return "\n\n".join(_told(command, path) for path, command in _leaves(root, program))


def _leaves(command: Any, path: str) -> list[tuple[str, Any]]:
    children = getattr(command, "commands", None)
    if children is None:
        return [(path, command)]
    return [leaf for name, child in children.items() if not child.hidden for leaf in _leaves(child, f"{path} {name}")]


def _told(command: Any, path: str) -> str:
    shown = [parameter for parameter in command.params if not getattr(parameter, "hidden", False)]
    usage = " ".join([path, *(_placed(parameter) for parameter in shown if not parameter.opts[0].startswith("-"))])
    rows = [_row(parameter, path.startswith("orchestrator-lite")) for parameter in shown]
    parts = [f"### `{path}`", inspect.cleandoc(command.help or ""), f"`{usage}`"]
    return "\n\n".join([*parts, table(("", "environment", "default", ""), rows)] if rows else parts)


def _placed(parameter: Any) -> str:
    name = _metavar(parameter)
    return f"{name if parameter.required else f'[{name}]'}{'…' if parameter.nargs == -1 else ''}"


def _row(parameter: Any, of_server: bool) -> tuple[str, str, str, str]:
    flags = [*parameter.opts, *parameter.secondary_opts]
    named = ", ".join(f"`{flag}`" for flag in flags) if flags[0].startswith("-") else f"`{_metavar(parameter)}`"
    variables, default = _variables(parameter), _default(parameter)
    if of_server and (field := Settings.model_fields.get(parameter.name)):
        variables = [settings.variable(parameter.name)]
        default = "" if "default:" in (parameter.help or "") else settings.default(field)
    return named, ", ".join(f"`{name}`" for name in variables), default, parameter.help or ""


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
