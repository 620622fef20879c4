"""What can go wrong with files; each error says how the API answers it."""

from __future__ import annotations

from typing import ClassVar

from avtomatika_client.protocol.errors import AvtomatikaError


class FilesError(AvtomatikaError):
    """Files cannot be kept or read just now.

    Attributes:
        status: With which the API answers it.
    """

    status: ClassVar[int] = 503


class FileNameError(FilesError):
    """A name that no file of a job can have; the text begins with `filename:`."""

    status = 400


class FileMissingError(FilesError):
    """The job has no such file."""

    status = 404


class FileClashError(FilesError):
    """Another file or folder stands where this one should lie."""

    status = 409


class FilesFullError(FilesError):
    """There is no room left for files."""

    status = 507


class FilesOffError(FilesError):
    """Files were switched off."""

    status = 501


class LinkError(FilesError):
    """A signed URL that is forged or has expired."""

    status = 403


class SpanError(FilesError):
    """A range that no byte of the file lies in.

    Attributes:
        size: Bytes of the file.
    """

    status = 416

    def __init__(self, size: int) -> None:
        super().__init__(f"The range lies beyond the file's {size} bytes")
        self.size = size
