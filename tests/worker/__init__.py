"""The worker, over a scripted orchestrator that records everything."""

from __future__ import annotations
