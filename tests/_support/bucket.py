"""A bucket on this machine: moto's server, which speaks S3."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


class Bucket:
    """A fresh bucket.

    Attributes:
        endpoint: Where it is.
        name: Its name.
    """

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.name = f"files-{uuid4().hex[:12]}"
        assert httpx.put(f"{endpoint}/{self.name}", trust_env=False).status_code == 200

    @property
    def settings(self) -> dict[str, Any]:
        """A server's settings that keep files there, below `some/prefix`."""
        return {
            "files": f"s3://{self.name}/some/prefix",
            "s3_endpoint": self.endpoint,
            "s3_region": "us-east-1",
            "s3_access_key": "KEY-ID",
            "s3_secret_key": "SECRET-KEY",
        }

    def get(self, rest: str = "") -> httpx.Response:
        return httpx.get(f"{self.endpoint}/{self.name}{rest}", trust_env=False)

    def put(self, key: str, content: bytes) -> None:
        assert httpx.put(f"{self.endpoint}/{self.name}/{key}", content=content, trust_env=False).status_code == 200

    def keys(self) -> list[str]:
        """What lies in it."""
        return [part.partition("</Key>")[0] for part in self.get("?list-type=2").text.split("<Key>")[1:]]

    def unfinished(self) -> int:
        """Uploads whose parts lie there unassembled, and cost."""
        return self.get("?uploads").text.count("<Upload>")


@contextmanager
def s3() -> Iterator[str]:
    """The endpoint of a server with no buckets."""
    server = pytest.importorskip("moto.server", reason="moto[server] is not installed")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    running = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    try:
        host, port = running.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        running.stop()
