"""What drives the engine: awaits handlers, folds, commits, performs effects. No business rule lives here."""

from __future__ import annotations
