"""The pages: what they show runs, where they point exists."""

from __future__ import annotations
