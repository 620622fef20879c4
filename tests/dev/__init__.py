"""`orchestrator-lite dev` as a real command."""

from __future__ import annotations
