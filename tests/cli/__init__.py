"""The command `avtomatika`: its real entry in a process of its own, piped and on a terminal."""

from __future__ import annotations
