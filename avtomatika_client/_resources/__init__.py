"""The groups of calls a client offers, each with a sync and an async face."""

from __future__ import annotations
