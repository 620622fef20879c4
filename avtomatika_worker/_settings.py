"""Settings: the argument, else the environment, else the default; nothing else here reads the environment."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from avtomatika_client._loopback import is_loopback
from avtomatika_client.protocol.headers import DEFAULT_URL, DEV_WORKER_TOKEN
from avtomatika_worker.errors import WorkerConfigError


@dataclass(frozen=True, slots=True)
class Target:
    """One orchestrator: where it is and the token it knows us by."""

    url: str
    token: str

    def __repr__(self) -> str:
        return f"Target({self.url!r})"


def targets(
    orchestrators: str | Sequence[str] | None, token: str | None, environ: Mapping[str, str] = os.environ
) -> list[Target]:
    """The orchestrators to serve.

    Args:
        orchestrators: One URL or several; None: `AVTOMATIKA_URL` (several separated by commas), else this machine.
        token: None: `AVTOMATIKA_WORKER_TOKEN`; towards loopback addresses, else, the development token.
        environ: The environment.

    Raises:
        WorkerConfigError: A URL is none, or there is no token for one.
    """
    if orchestrators is None:
        orchestrators = environ.get("AVTOMATIKA_URL") or DEFAULT_URL
    urls = orchestrators.split(",") if isinstance(orchestrators, str) else orchestrators
    cleaned = dict.fromkeys(_checked(url) for url in urls if url.strip())
    if not cleaned:
        raise WorkerConfigError("No orchestrator to work for: orchestrators is empty.")
    token = token or environ.get("AVTOMATIKA_WORKER_TOKEN") or None
    return [Target(url, token or _default_token(url)) for url in cleaned]


def _checked(url: str) -> str:
    cleaned = url.strip().rstrip("/")
    try:
        parts = urlsplit(cleaned)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable:
        raise WorkerConfigError(f"Not an orchestrator's URL: {url!r}; it should look like {DEFAULT_URL}.")
    return cleaned


def _default_token(url: str) -> str:
    if is_loopback(urlsplit(url).hostname or ""):
        return DEV_WORKER_TOKEN
    raise WorkerConfigError(f"No token for {url}: pass token= or set AVTOMATIKA_WORKER_TOKEN.")


def state_folder(environ: Mapping[str, str] = os.environ, platform: str = sys.platform) -> Path:
    """Where identities and journals lie: `AVTOMATIKA_STATE_DIR`, else the platform's user state folder."""
    return _state_root(environ, platform) / "avtomatika"


def _state_root(environ: Mapping[str, str], platform: str) -> Path:
    if explicit := environ.get("AVTOMATIKA_STATE_DIR"):
        return Path(explicit)
    if platform == "win32":
        return Path(environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if platform == "darwin":
        return Path.home() / "Library" / "Application Support"
    return Path(environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
