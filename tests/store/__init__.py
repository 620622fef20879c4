"""The store's promises, kept by every store."""

from __future__ import annotations
