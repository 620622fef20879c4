"""Errors of a bucket as ours; their texts hold neither URLs nor keys, and say what is wrong in a few words."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

from orchestrator_lite.files._errors import FileMissingError, FilesError

log = logging.getLogger(__name__)

MISCONFIGURED = frozenset(
    {"NoSuchBucket", "InvalidBucketName", "InvalidAccessKeyId", "SignatureDoesNotMatch", "PermanentRedirect"}
)
"""What no waiting will mend."""

WARNING = "files are not available: the bucket %s: %s"

_CODE = re.compile(r"<Code>(\w{1,60})</Code>")
_STATUS = re.compile(r"non-2xx status code: (\d{3})")


class BucketError(FilesError):
    """A bucket refuses, or cannot be reached.

    Attributes:
        reason: In the words of S3 (`NoSuchBucket`, `AccessDenied`, …), or `it cannot be reached`.
    """

    def __init__(self, bucket: str, reason: str) -> None:
        super().__init__(f"Files are not available: the bucket {bucket!r}: {reason}")
        self.reason = reason


@contextmanager
def told(bucket: str, *, quiet: bool = False) -> Iterator[None]:
    """Let nothing but our errors of files out, where the bucket was the cause.

    Args:
        bucket: Its name.
        quiet: Leave the warning in the log to the caller.

    Raises:
        FileMissingError: There is nothing there.
        BucketError: Everything else.
    """
    from obstore.exceptions import BaseError

    try:
        yield
    except FilesError:
        raise
    except (BaseError, OSError) as error:
        reason = _reason(error)
        if isinstance(error, FileNotFoundError) and reason not in MISCONFIGURED:
            raise FileMissingError("File not found") from None
        if not quiet:
            log.warning(WARNING, bucket, reason)
        raise BucketError(bucket, reason) from None


def _reason(error: Exception) -> str:
    text = str(error)
    code, status = _CODE.search(text), _STATUS.search(text)
    if code is not None:
        return code[1]
    return f"it answers {status[1]}" if status is not None else "it cannot be reached"
