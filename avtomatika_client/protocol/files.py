"""A job's files as they travel (seeds 000-002 §2; the list and `hold` are ours, see `FILES` and `HOLD`)."""

from __future__ import annotations

from avtomatika_client.protocol._base import Received


class JobFile(Received):
    """A file of a job.

    Attributes:
        name: Its name within the job; may hold slashes.
        size: Bytes.
        modified_at: When it was last written, UTC seconds since 1970.
    """

    name: str
    size: int
    modified_at: float | None = None


class UploadUrl(Received):
    """Where anyone who holds it may put a file of a job, for a while: `GET /jobs/{id}/files/upload`.

    Attributes:
        url: Absolute; holds its own permission, so it is to be kept like a password.
        expires_in: Seconds it is good for.
        method: With which the bytes are sent.
    """

    url: str
    expires_in: float | None = None
    method: str = "PUT"


class JobReleased(Received):
    """Answer to `POST /jobs/{id}/release`."""

    status: str
    job_id: str | None = None


class FileUploaded(Received):
    """Answer to an upload.

    Attributes:
        status: `uploaded`.
        s3_uri: The file's address, `s3://<bucket>/jobs/<job id>/<name>`; on a disk of ours
            `lite://jobs/<job id>/<name>`.
        name: Its name as it is stored; only ours says so.
        size: Bytes that arrived; only ours says so.
    """

    status: str
    s3_uri: str | None = None
    name: str | None = None
    size: int | None = None


class FileDeleted(Received):
    """Answer to the deletion of a file; `existed`: whether it was there."""

    status: str
    existed: bool = True
