"""Asks for a new password; what is typed is not shown and stands in no list of processes."""

from __future__ import annotations

import sys

import typer

from orchestrator_lite._cli._options import UsageError


def asked_password() -> str:
    """A password: typed twice at a terminal, else the first line of the input.

    Raises:
        UsageError: It is empty, or longer than the 1024 characters that signing in takes.
    """
    if sys.stdin.isatty():
        given: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        given = sys.stdin.readline().rstrip("\r\n")
    if not 1 <= len(given) <= 1024:
        raise UsageError("a password has from 1 to 1024 characters")
    return given
