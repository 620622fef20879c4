"""Names of files: what may be one, how it lies on the disk, and its address.

A name is kept in Unicode's composed form (NFC): what looks the same is the same file, whichever system it was typed
on. Case matters.
"""

from __future__ import annotations

import re
from unicodedata import category, normalize
from urllib.parse import unquote

from orchestrator_lite.files._errors import FileNameError

LONGEST_NAME = 1024
"""Bytes of a name at most."""

LONGEST_SEGMENT = 255
"""Bytes between two slashes at most, as they lie on the disk: the limit of file systems."""

OFFICIAL = "s3://avtomatika-payloads/"
"""How addresses begin with the official server's default bucket: blueprints that write them down so are understood."""

_TOO_LONG = f"must not be longer than {LONGEST_NAME} bytes"
_HARMFUL = frozenset({"Cc", "Zl", "Zp"})
_DRIVE = re.compile(r"[A-Za-z]:")
_ESCAPED = re.compile(r'[%#<>:"|?*]')
_DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)(?=\.|$)", re.IGNORECASE)


def checked(name: str) -> str:
    """The name as it is kept.

    Raises:
        FileNameError: It is none; the text says why.
    """
    if len(name) > 4 * LONGEST_NAME:  # composing takes time that grows with the square of the length
        raise FileNameError(f"filename: {_TOO_LONG}")
    name = normalize("NFC", name)
    problem = _problem(name)
    if problem is not None:
        raise FileNameError(f"filename: {problem}")
    return name


def on_disk(name: str) -> list[str]:
    """The folders and the file of a checked name, in characters that every file system takes."""
    return [_escaped(segment) for segment in name.split("/")]


def from_disk(segments: list[str]) -> str | None:
    """The name that lies there, or None when we have not put it there."""
    name = "/".join(unquote(segment) for segment in segments)
    try:
        return name if on_disk(checked(name)) == segments else None
    except FileNameError:
        return None


def address(base: str, job_id: str, name: str) -> str:
    """A file's address, `<base>jobs/<job id>/<name>`."""
    return f"{base}jobs/{job_id}/{name}"


def named(base: str, job_id: str, name_or_uri: str) -> str:
    """The name of a job's file, from its name or its address.

    Raises:
        FileNameError: It is neither, or the address of another job's file.
    """
    if "://" not in name_or_uri:
        return name_or_uri
    own = address(base, job_id, "")
    for beginning in (own, address(OFFICIAL, job_id, "")):
        if name_or_uri.startswith(beginning):
            return name_or_uri.removeprefix(beginning)
    raise FileNameError(f"filename: not the address of a file of this job (they begin with {own})")


def _escaped(segment: str) -> str:
    segment = _ESCAPED.sub(lambda found: f"%{ord(found[0]):02X}", segment)
    return f"%{ord(segment[0]):02X}{segment[1:]}" if _DEVICE.match(segment) else segment


def _problem(name: str) -> str | None:
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        return "must be valid UTF-8"
    if not name:
        return "must not be empty"
    if "\ufffd" in name:  # what the web server puts in place of bytes it cannot decode
        return "must be valid UTF-8"
    if size > LONGEST_NAME:
        return _TOO_LONG
    if any(category(character) in _HARMFUL for character in name):
        return "must not hold control characters"
    if "\\" in name:
        return "must have '/' between folders, not a backslash"
    if name.startswith("/") or _DRIVE.match(name):
        return "must be relative: no leading '/', no drive letter"
    return next(filter(None, map(_wrong, name.split("/"))), None)


def _wrong(segment: str) -> str | None:
    if segment in {"", ".", ".."}:
        return "must have no empty, '.' or '..' segment"
    if segment[-1] in ". ":
        return "must have no segment that ends with a dot or a space"
    if len(_escaped(segment).encode()) > LONGEST_SEGMENT:
        return f"must have no segment longer than {LONGEST_SEGMENT} bytes"
    return None
