"""Errors of the disk and of `obstore`, which speaks of them in its texts, as ours; their texts name no path."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from orchestrator_lite.files._errors import FileMissingError, FilesError, FilesFullError

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_OS_ERROR = re.compile(r"\(os error (\d+)\)")


@contextmanager
def told() -> Iterator[None]:
    """Let nothing but our errors of files out, where the disk was the cause.

    Raises:
        FileMissingError: There is nothing there.
        FilesFullError: There is no room.
        FilesError: The disk refuses for another reason.
    """
    try:
        yield
    except FilesError:
        raise
    except FileNotFoundError as error:
        raise FileMissingError("File not found") from error
    except Exception as error:
        number = _number(error)
        if number is None:
            raise
        if number in _FULL:
            raise FilesFullError("There is no room left for files") from error
        reason = os.strerror(number) if number else "the disk refuses"
        raise FilesError(f"Files are not available: {reason}") from error


def _number(error: Exception) -> int | None:
    """The operating system's number of an error of the disk, 0 where it has none; None for any other error."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    from obstore.exceptions import BaseError

    if not isinstance(error, BaseError | OSError):  # its writer's end raises a bare OSError
        return None
    found = _OS_ERROR.search(str(error))
    return 0 if found is None else int(found[1])
