"""Ids that grow with time (UUIDv7): what is made later is greater, and rows are appended where they are kept."""

from __future__ import annotations

import re
import secrets
from typing import Final

_ID: Final = re.compile(r"([0-9a-f]{8})-([0-9a-f]{4})-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def new_id(now: float) -> str:
    """A new id.

    Args:
        now: UTC seconds.
    """
    noise = bytearray(secrets.token_bytes(10))
    noise[0] = 0x70 | (noise[0] & 0x0F)
    noise[2] = 0x80 | (noise[2] & 0x3F)
    text = noise.hex()
    return f"{first_id(now)}-{text[:4]}-{text[4:8]}-{text[8:]}"


def first_id(at: float) -> str:
    """What no id made at that time or later is below; ids tell their time in thousandths of a second.

    Args:
        at: UTC seconds.
    """
    text = int(at * 1000).to_bytes(6, "big").hex()
    return f"{text[:8]}-{text[8:]}"


def made_at(text: str) -> float | None:
    """UTC seconds of the moment an id was made; None for any other text. What follows the id does not matter."""
    found = _ID.match(text)
    return None if found is None else int(found[1] + found[2], 16) / 1000
