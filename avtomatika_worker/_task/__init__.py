"""A task's way through the worker: decode, admit, bind, execute, encode, journal; a module per stage."""

from __future__ import annotations
