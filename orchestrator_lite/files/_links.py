"""Signed URLs: whoever holds one may do one thing to one file for a while, without a token."""

from __future__ import annotations

import hmac
from hashlib import sha256
from urllib.parse import quote, urlencode

from orchestrator_lite.files._errors import LinkError

PREFIX = "/_files"
"""Where they are served."""

INVALID = "The link is not valid for this file and method"

LONGEST = 7 * 86_400
"""Seconds a signed URL is good for at most, as on S3."""


def signed_path(key: bytes, job_id: str, name: str, method: str, expires: int) -> str:
    """The path and query under which `method` is let in until `expires` (UTC seconds)."""
    query = urlencode(
        {"expires": expires, "method": method, "signature": _signature(key, job_id, name, method, expires)}
    )
    return f"{PREFIX}/{quote(job_id, safe='')}/{quote(name)}?{query}"


def check(key: bytes, job_id: str, name: str, method: str, expires: str, signature: str, now: float) -> None:
    """Let the holder of a link in.

    Raises:
        LinkError: The link is forged, of another method, or has expired.
    """
    until = int(expires) if expires.isascii() and expires.isdigit() and len(expires) <= 12 else 0
    right = _signature(key, job_id, name, method, until)
    if not hmac.compare_digest(right.encode(), signature.encode("utf-8", "replace")):
        raise LinkError(INVALID)
    if now >= until:
        raise LinkError("The link has expired")


def _signature(key: bytes, job_id: str, name: str, method: str, expires: int) -> str:
    return hmac.new(key, f"{method}\n{job_id}\n{name}\n{expires}".encode(), sha256).hexdigest()
