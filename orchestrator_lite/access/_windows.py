"""Windows of rate limits that go by the server's clock and take bounded memory, as a storage of `limits`.

The library's own memory storage goes by the machine's time and runs a task of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

from limits.aio.storage import Storage

from avtomatika_client.protocol.clock import Clock

_SWEPT = 4
"""Windows that have ended and are taken away whenever a new one begins."""


@dataclass(slots=True)
class _Window:
    ends: float
    count: int = 0


class Windows(Storage):
    """Counts by key; all windows of one storage are equally long, so that the oldest end first.

    Args:
        clock: Whose time; ends are on its monotonic scale.
        most: Windows that are kept; beyond them the oldest is forgotten.
    """

    STORAGE_SCHEME = None

    def __init__(self, clock: Clock, most: int) -> None:
        super().__init__()
        self._clock = clock
        self._most = most
        self._windows: dict[str, _Window] = {}

    def __len__(self) -> int:
        return len(self._windows)

    @property
    def base_exceptions(self) -> type[Exception]:
        """Nothing can go wrong in memory."""
        return ArithmeticError

    async def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count; a window begins with the first."""
        window = self._running(key)
        if window is None:
            self._make_room()
            self._windows[key] = window = _Window(self._clock.monotonic() + expiry)
        window.count += amount
        return window.count

    async def get(self, key: str) -> int:
        """The count of the window that runs."""
        window = self._running(key)
        return 0 if window is None else window.count

    async def get_expiry(self, key: str) -> float:
        """When the window ends; now if none runs."""
        window = self._running(key)
        return self._clock.monotonic() if window is None else window.ends

    async def check(self) -> bool:
        """Always well."""
        return True

    async def reset(self) -> int | None:
        """Forget everything."""
        count = len(self._windows)
        self._windows.clear()
        return count

    async def clear(self, key: str) -> None:
        """Forget one window."""
        self._windows.pop(key, None)

    def _running(self, key: str) -> _Window | None:
        window = self._windows.get(key)
        if window is not None and window.ends <= self._clock.monotonic():
            del self._windows[key]
            return None
        return window

    def _make_room(self) -> None:
        now = self._clock.monotonic()
        for _ in range(_SWEPT):
            oldest = next(iter(self._windows), None)
            if oldest is None or (self._windows[oldest].ends > now and len(self._windows) < self._most):
                return
            del self._windows[oldest]
