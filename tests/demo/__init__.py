"""The demo: the main job, whole, in real processes."""

from __future__ import annotations
