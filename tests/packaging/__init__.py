"""The distribution, its command lines and its gate."""

from __future__ import annotations
