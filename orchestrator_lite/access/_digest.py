"""Tokens are looked up by their digest, so that finding one takes the same time whatever was sent."""

from __future__ import annotations

import hashlib


def digest(token: bytes) -> bytes:
    """What stands for a token in memory."""
    return hashlib.sha256(token).digest()
