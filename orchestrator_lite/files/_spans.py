"""Ranges of bytes, as HTTP writes them (RFC 9110 §14)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from orchestrator_lite.files._errors import SpanError

_ONE = re.compile(r"bytes=[ \t]*([0-9]{0,18})-([0-9]{0,18})[ \t]*")


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes from `start` up to, not with, `stop`."""

    start: int
    stop: int


def parse_span(wanted: str | None, size: int) -> Span | None:
    """The part a `Range` header asks for; None: all of it, as for a header that is not understood or asks for several.

    Raises:
        SpanError: No byte of the file lies in it.
    """
    found = None if wanted is None else _ONE.fullmatch(wanted)
    if found is None or found[1] == found[2] == "":
        return None
    if found[1] == "":
        start, stop = max(0, size - int(found[2])), size
    else:
        start = int(found[1])
        stop = size if found[2] == "" else min(size, int(found[2]) + 1)
        if found[2] and int(found[2]) < start:
            return None
    if start >= stop:
        raise SpanError(size)
    return Span(start, stop)
