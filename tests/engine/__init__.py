"""The engine, pure: no loop, no store, no clock."""

from __future__ import annotations
