"""`orchestrator-lite demo`: the main job, whole, on the reader's own machine."""

from __future__ import annotations
