"""Scripts that run inside the official packages' own environments."""

from __future__ import annotations
