"""What is done around one test: run it, watch it, say what it did wrong."""

from __future__ import annotations
