"""The time by which old things are judged: the clock's, unless it has just leapt."""

from __future__ import annotations

import logging
from typing import Final

from avtomatika_client.protocol.clock import Clock

log = logging.getLogger(__name__)

LEAP: Final = 3600.0
"""Seconds by which the clock must have run ahead of itself to be doubted."""

DOUBT: Final = 86400.0
"""Seconds for which it is doubted; then it is believed."""


class Aging:
    """A clock that is set forward, by mistake for all one knows, makes nothing old for a day.

    What is taken away does not come back, so there must be time to set the clock right; a clock that stays where it is
    was right. One that is set back makes things younger and is believed at once. Sleep of the machine, during which
    its monotonic time may stand still, looks like a leap and costs a day's delay.

    Args:
        clock: The time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._course = clock.now() - clock.monotonic()
        self._doubted_at: float | None = None

    def now(self) -> float:
        """UTC seconds since 1970, or less where the clock has leapt."""
        elapsed = self._clock.monotonic()
        course = self._clock.now() - elapsed
        if course - self._course <= LEAP:
            self._course, self._doubted_at = course, None
        elif self._doubted_at is None:
            self._doubted_at = elapsed
            log.warning(
                "the clock has been set forward by %.1f h: nothing is forgotten by it for %g h",
                (course - self._course) / 3600,
                DOUBT / 3600,
            )
        elif elapsed - self._doubted_at >= DOUBT:
            self._course, self._doubted_at = course, None
        return elapsed + self._course
