"""Settings of the server: arguments, else `ORCHESTRATOR_LITE_…` in the environment, else these defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """What can be set.

    Attributes:
        store: `memory`, or `sqlite:///path` (three slashes: relative, four: absolute).
        durability: `power` (what was answered survives a power cut) or `process` (survives the death of the process).
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
        client_token: Token that clients must send; none, on loopback: development mode.
        worker_token: Token that workers must send; none, on loopback: development mode.
        development: Development mode on (True), off (False), or by the rule: bound to loopback and no token set.
        max_body: Largest request body, bytes.
        files: Folder for the files of jobs; none: `<database>.files` beside an SQLite database, a temporary one else.
        max_file: Largest file, bytes.
        public_url: Under which others reach the server, for signed URLs; none: where the request that asks came to.
        max_depth: Deepest nesting of a JSON body.
        handler_time_limit: Seconds a blueprint's handler may take.
        poll_hold: Seconds a worker's poll is held.
        heartbeat_interval: Seconds between heartbeats that our workers are asked for.
    """

    model_config = SettingsConfigDict(env_prefix="ORCHESTRATOR_LITE_", extra="forbid", frozen=True)

    store: str = "memory"
    durability: Literal["power", "process"] = "power"
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    client_token: SecretStr | None = None
    worker_token: SecretStr | None = None
    development: bool | None = None
    max_body: int = Field(default=16 * 1024 * 1024, gt=0)
    files: Path | None = None
    max_file: int = Field(default=5 * 1024**3, gt=0)
    public_url: str | None = Field(default=None, pattern=r"^https?://[^/?#]+[^?#]*$")
    max_depth: int = Field(default=64, gt=0)
    handler_time_limit: float = Field(default=30.0, gt=0)
    poll_hold: float = Field(default=30.0, gt=0, le=300)
    heartbeat_interval: float = Field(default=5.0, gt=0)
