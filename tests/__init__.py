"""The project's tests; each name is a promise."""

from __future__ import annotations
