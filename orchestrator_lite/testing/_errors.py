"""What goes wrong in a test that uses the in-process server; each message is one line that says what to do."""

from __future__ import annotations

from avtomatika_client.protocol.errors import AvtomatikaError


class ClockError(AvtomatikaError):
    """Time cannot be moved like that, or this event loop cannot follow a virtual clock."""


class NeverEndsError(AvtomatikaError):
    """The test waits for something that cannot happen any more, or that takes too long in real time."""


class ClosedError(AvtomatikaError):
    """This orchestrator belonged to a test that is over."""


class OtherLoopError(AvtomatikaError):
    """This orchestrator belongs to another event loop."""


class MisuseError(AvtomatikaError):
    """Something of the test kit is used in a way that cannot work."""


class BlockedError(AvtomatikaError):
    """The thread of the live server does not answer: code in it blocks."""


for _error in (ClockError, NeverEndsError, ClosedError, OtherLoopError, MisuseError, BlockedError):
    _error.__module__ = __package__  # as users write it, and as failures of their tests show it
