"""The pytest plugin (entry point `pytest11`); it imports nothing but pytest until a fixture is used."""

from __future__ import annotations
