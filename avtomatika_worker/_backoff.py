"""How long to wait before trying again: decorrelated jitter, so that a fleet does not come back in step."""

from __future__ import annotations

import random
from typing import Final

BASE: Final = 0.1
CAP: Final = 5.0


class Backoff:
    """Grows from `base` to `cap` seconds with every failure in a row."""

    def __init__(self, base: float = BASE, cap: float = CAP) -> None:
        self._base = base
        self._cap = cap
        self._last = 0.0
        self.failures = 0

    def next(self, floor: float = 0.0) -> float:
        """Seconds to wait after one more failure, at least `floor` (a server's Retry-After)."""
        self.failures += 1
        self._last = min(self._cap, random.uniform(self._base, max(self._base, self._last * 3)))  # noqa: S311
        return max(floor, self._last)

    def reset(self) -> None:
        """Something worked."""
        self._last = 0.0
        self.failures = 0
