"""Calls of verbs, performed in groups: one transaction and one COMMIT for all that wait."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from orchestrator_lite.store import _forgetting, _jobs, _notes, _outgoing
from orchestrator_lite.store._rows import StoreError, StoreUnavailable
from orchestrator_lite.store._transaction import Transaction

_log = logging.getLogger(__name__)

# What may pass by itself; everything else is the fault of one call or of the file.
_PASSING = (
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_READONLY,
)

# What must survive a power cut. A lease that is forgotten with the power is a task that is handed out once more, in the
# same attempt, of which the first result counts: so leases, and the signs of life that move them, wait for no fsync.
_LASTING = frozenset(
    {
        _jobs.commit,
        _jobs.put_worker,
        _jobs.drop_worker,
        _outgoing.put_outgoing,
        _notes.put_notes,
        _forgetting.wipe,
    }
)


# A queue holds calls of every verb, so nothing is known of their arguments and results here; `SqliteStore` is typed.
class Call:
    """A verb with its arguments, then its outcome."""

    __slots__ = ("arguments", "error", "result", "verb")

    def __init__(self, verb: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        self.verb = verb
        self.arguments = arguments
        self.result: Any = None
        self.error: Exception | None = None


def perform(tx: Transaction, group: Sequence[Call]) -> None:
    """Perform calls in one transaction; each gets its outcome, and no error escapes.

    When something fails that is no call's own answer, nothing of the group has been written: a cause that may pass
    (disk full, database locked) fails every call; otherwise each is tried alone, so that the one at fault fails alone.
    """
    try:
        tx.begin(lasting=any(call.verb in _LASTING for call in group))
        changes = [change for call in group if call.verb is _jobs.commit for change in call.arguments]
        if len(changes) > 1:
            tx.known.look_up(changes)
        for call in group:
            _answer(tx, call)
        tx.end()
    except Exception as error:
        _abandon(tx)
        if _is_passing(error):
            tx.suffers(error)
        if len(group) == 1 or _is_passing(error):
            _fail(group, error)
        else:
            for call in group:
                perform(tx, (call,))
    except BaseException:
        _abandon(tx)
        raise


def _answer(tx: Transaction, call: Call) -> None:
    call.error = None
    try:
        call.result = call.verb(tx, *call.arguments)
    except StoreError as error:
        call.error = error


def _abandon(tx: Transaction) -> None:
    try:
        tx.abandon()
    except sqlite3.Error:
        _log.exception("The store could not roll back.")


def _is_passing(error: Exception) -> bool:
    code = getattr(error, "sqlite_errorcode", None)
    # The low byte is the primary code (sqlite.org/rescode.html#primary_result_codes_versus_extended_result_codes).
    return code is not None and code & 0xFF in _PASSING


def _fail(group: Sequence[Call], error: Exception) -> None:
    kind = StoreUnavailable if _is_passing(error) else StoreError
    for call in group:
        call.result = None
        # One exception object per call: a traceback grows with each raise.
        call.error = kind(f"The store could not write or read: {error}.")
        call.error.__cause__ = error
