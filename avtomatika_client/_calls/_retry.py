"""When to try again: what is known of a failure, and the caller's policy in tenacity's vocabulary."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from avtomatika_client.errors import APIConnectionError, APIStatusError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tenacity import RetryCallState

    from avtomatika_client.protocol.clock import Clock
    from avtomatika_client.protocol.errors import AvtomatikaError

REFUSED: Final = frozenset({425, 429})
"""The server says it has not processed the request."""

UNAVAILABLE: Final = frozenset({408, 425, 429, 502, 503, 504})
"""The server, or a proxy before it, cannot answer now."""

REPEATABLE: Final = UNAVAILABLE | {500}
"""Worth a repetition where processing the request twice does no harm."""

_BASE = 0.25
_CAP = 8.0
_LONGEST_ASKED = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """A retry policy; the call's total `timeout` bounds it in any case.

    What was not sent is tried again always; what may have been processed only when repeating it does no harm. A
    server's `Retry-After` is the least that is waited.

    Attributes:
        retries: Repetitions, where `stop` does not decide.
        stop: A tenacity stop object, such as `stop_after_delay(30)`, in place of `retries`.
        wait: A tenacity wait object, such as `wait_exponential_jitter()`; default: full jitter, 0.25 s doubling to 8 s.
    """

    retries: int = 2
    stop: Callable[[RetryCallState], bool] | None = None
    wait: Callable[[RetryCallState], float] | None = None

    def delay(self, attempt: int, error: AvtomatikaError, *, started: float, clock: Clock) -> float | None:
        """Seconds until the next attempt, or None when there is to be none.

        Args:
            attempt: How many attempts were made.
            error: How the last one failed.
            started: When the first one began, by the clock.
            clock: Whose seconds.
        """
        if self.stop is None and attempt > self.retries:
            return None
        state = None if self.stop is None and self.wait is None else _state(attempt, error, started, clock)
        pause = random.uniform(0, min(_CAP, _BASE * 2.0**attempt)) if self.wait is None else self._asked_wait(state)  # noqa: S311
        if self.stop is not None and state is not None:
            state.upcoming_sleep = pause
            if self.stop(state):
                return None
        return max(pause, asked_pause(error))

    def _asked_wait(self, state: RetryCallState | None) -> float:
        return 0.0 if self.wait is None or state is None else float(self.wait(state))


def asked_pause(error: AvtomatikaError) -> float:
    """The seconds a server asked to be left alone, within reason."""
    asked = error.retry_after if isinstance(error, APIStatusError) else None
    return min(asked or 0.0, _LONGEST_ASKED)


def worth_repeating(error: APIConnectionError | APIStatusError, *, safe: bool) -> bool:
    """Whether a failed call may be made again.

    Args:
        error: How it failed.
        safe: Whether processing it twice does no harm.
    """
    if isinstance(error, APIConnectionError):
        return safe or not error.sent
    return error.status in (REPEATABLE if safe else REFUSED)


def pauses(first: float, longest: float) -> Iterator[float]:
    """Jittered pauses that grow from `first` to `longest` seconds."""
    pause = first
    while True:
        yield pause * random.uniform(0.75, 1.0)  # noqa: S311
        pause = min(longest, pause * 1.6)


def _state(attempt: int, error: AvtomatikaError, started: float, clock: Clock) -> RetryCallState:
    from tenacity import Future, RetryCallState, Retrying

    state = RetryCallState(Retrying(), None, (), {})
    state.attempt_number = attempt
    state.start_time = started
    state.outcome = Future.construct(attempt, error, has_exception=True)
    state.outcome_timestamp = clock.monotonic()
    return state
