"""The way to a bucket, by the settings."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from orchestrator_lite.files._errors import FilesError
from orchestrator_lite.settings import S3, Settings

if TYPE_CHECKING:
    from obstore.store import S3Store

RETRIES = 3
PATIENCE = 10.0
"""Seconds after which a request that has failed is not tried again."""


def made(settings: Settings) -> S3Store:
    """A store of `obstore`; what is not set it takes from the environment (`AWS_…`), or from the machine's role.

    Raises:
        FilesError: The settings do not fit together.
    """
    from obstore.exceptions import BaseError
    from obstore.store import S3Store

    bucket, _, prefix = str(settings.files).removeprefix(S3).partition("/")
    secret = settings.s3_secret_key
    config: dict[str, Any] = {
        "endpoint": settings.s3_endpoint,
        "region": settings.s3_region,
        "access_key_id": settings.s3_access_key,
        "secret_access_key": None if secret is None else secret.get_secret_value(),
    }
    try:
        return S3Store(
            bucket,
            prefix=prefix.strip("/") or None,
            config={name: value for name, value in config.items() if value is not None},  # type: ignore[arg-type]
            client_options={"allow_http": True, "connect_timeout": "5s", "timeout": "60s"},
            retry_config={"max_retries": RETRIES, "retry_timeout": timedelta(seconds=PATIENCE)},
        )
    except (BaseError, ValueError) as error:
        raise FilesError(
            f"The bucket for files {bucket!r} cannot be used: {str(error).partition(chr(10))[0]}"
        ) from None
