"""Settings of the server: arguments, else the environment (`ORCHESTRATOR_LITE_…`), else a file, else these defaults."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import AfterValidator, Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from avtomatika_client.protocol.webhooks import key_of
from orchestrator_lite._settings_file import ITSELF, settings_in
from orchestrator_lite.egress.allowed import Allowed
from orchestrator_lite.egress.errors import EgressAllowError
from orchestrator_lite.engine.calendar import zone

FILES_OFF = "off"
S3 = "s3://"

_BUCKET = re.compile(r"s3://[A-Za-z0-9][A-Za-z0-9._-]{1,62}(/(?!\.{0,2}(/|$))[^/\\?#\x00-\x20]+)*/?")
"""A bucket and a prefix in it; no part of that is empty, `.` or `..`."""


def _zone(name: str) -> str:
    zone(name)
    return name


class Settings(BaseSettings):
    """What can be set.

    Each is also a flag of `serve` and `dev` (but secrets, which others would see there), a key of the config file and a
    variable of the environment. The description of a field is its flag's help.

    Attributes:
        config: A TOML file with settings; flags and environment win over it.
        store: `memory`, or `sqlite:///path` (three slashes: relative, four: absolute).
        durability: `power` (what was answered survives a power cut) or `process` (survives the death of the process).
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
        client_token: Token that clients must send; none, on loopback: development mode.
        worker_token: Token that workers must send; none, on loopback: development mode.
        clients_file: `clients.toml` of the official configuration: clients with tokens, plans and quotas.
        workers_file: `workers.toml` of the official configuration: workers with tokens of their own.
        users: People who may sign in: argon2 hashes of their passwords by name (`orchestrator-lite hash-password`).
        jwt_secret: What tokens of people are signed with, 32 characters or more; none: made at the first start and kept
            in the store.
        token_lifetime: Seconds a token of a person is good for.
        rate_limit: Requests a minute of one client; 0: any number.
        rate_limit_address: Requests a minute from one address without valid credentials; 0: any number.
        rate_limit_workers: Requests a minute of one worker; 0: any number.
        rate_limit_failures: Wrong tokens or passwords a minute from one address before more are refused; 0: any number.
        rate_limit_loopback: Whether limits hold for clients on this machine too; so they do behind a proxy on it.
        development: Development mode on (True), off (False), or by the rule: bound to loopback and no credentials set.
        max_body: Largest request body, bytes.
        files: Where the files of jobs lie: a folder, `s3://bucket/prefix`, or `off` for none; not set:
            `<database>.files` beside an SQLite database, a temporary folder else.
        s3_endpoint: URL of whatever speaks S3 and is not Amazon's; like the next three, not set: as `AWS_…` says.
        s3_region: Region of the bucket.
        s3_access_key: Id of the key to the bucket.
        s3_secret_key: The key to the bucket.
        s3_direct: Whether clients and workers fetch files from the bucket itself, by presigned URLs; if not, through
            this server.
        max_file: Largest file, bytes.
        schedules_file: `schedules.toml` of the official configuration: jobs that begin by themselves.
        timezone: IANA name of the time zone of schedules that name none.
        public_url: Under which others reach the server, for signed URLs; none: where the request that asks came to.
        max_depth: Deepest nesting of a JSON body.
        handler_time_limit: Seconds a blueprint's handler may take.
        poll_hold: Seconds a worker's poll is held.
        heartbeat_interval: Seconds between heartbeats that our workers are asked for.
        egress_allow: Hosts, `HOST` or `HOST:PORT`, that webhooks may reach though the guard would refuse them.
        retention: Seconds that jobs stay after their end, with history, files and deliveries; 0: for ever.
        webhook_secret: What webhooks are signed with, for clients without a secret of their own; none: nothing.
        log_format: `text` for people, `json` for one object a line.
        log_level: The least that `serve` logs: `DEBUG` also tells of each job, `INFO` of those that end badly.
        approval_tokens: Whether a decision needs its job's token, which counts once; off: anonymous, as officially.
    """

    model_config = SettingsConfigDict(
        env_prefix="ORCHESTRATOR_LITE_", extra="forbid", frozen=True, enable_decoding=False, allow_inf_nan=False
    )

    config: Path | None = None
    store: str = "memory"
    durability: Literal["power", "process"] = "power"
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    client_token: SecretStr | None = None
    worker_token: SecretStr | None = None
    clients_file: Path | None = None
    workers_file: Path | None = None
    users: dict[str, SecretStr] = Field(default_factory=dict)
    jwt_secret: SecretStr | None = Field(default=None, min_length=32)
    token_lifetime: float = Field(default=3600.0, ge=1)
    rate_limit: int = Field(default=6000, ge=0)
    rate_limit_address: int = Field(default=60, ge=0)
    rate_limit_workers: int = Field(default=0, ge=0)
    rate_limit_failures: int = Field(default=10, ge=0)
    rate_limit_loopback: bool = False
    development: bool | None = None
    max_body: int = Field(default=16 * 1024 * 1024, gt=0)
    files: Path | str | None = None
    s3_endpoint: str | None = Field(default=None, pattern=r"^https?://[^/?#@]+[^?#]*$")
    s3_region: str | None = None
    s3_access_key: str | None = None
    s3_secret_key: SecretStr | None = None
    s3_direct: bool = True
    max_file: int = Field(default=5 * 1024**3, gt=0)
    schedules_file: Path | None = None
    timezone: Annotated[str, AfterValidator(_zone)] = "UTC"
    public_url: str | None = Field(default=None, pattern=r"^https?://[^/?#]+[^?#]*$")
    max_depth: int = Field(default=64, gt=0)
    handler_time_limit: float = Field(default=30.0, gt=0)
    poll_hold: float = Field(default=30.0, gt=0, le=300)
    heartbeat_interval: float = Field(default=5.0, gt=0)
    egress_allow: list[str] = []
    retention: float = Field(default=7 * 86400.0, ge=0)
    webhook_secret: SecretStr | None = None
    log_format: Literal["text", "json"] = "text"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    approval_tokens: bool = False

    @field_validator("files")
    @classmethod
    def _is_a_place(cls, value: Path | str | None) -> Path | str | None:
        """A bucket's address that is none is told at the start."""
        if isinstance(value, str) and "://" in value and not _BUCKET.fullmatch(value):
            raise ValueError("must be a folder, s3://bucket, s3://bucket/prefix, or off")
        return value

    @field_validator("*", mode="before")
    @classmethod
    def _from_text(cls, value: Any, info: ValidationInfo) -> Any:
        """Lists and tables out of the environment: JSON, or texts with commas between."""
        kind = _container(cls.model_fields[info.field_name or ""].annotation)
        if kind is None or not isinstance(value, str):
            return value
        if kind is dict or value.lstrip().startswith("["):
            return json.loads(value)
        return [part for text in value.split(",") if (part := text.strip())]

    @field_validator("egress_allow")
    @classmethod
    def _hosts(cls, value: list[str]) -> list[str]:
        try:
            Allowed(value)
        except EgressAllowError as error:
            raise ValueError(str(error)) from None
        return value

    @field_validator("client_token", "worker_token")
    @classmethod
    def _is_no_blank(cls, value: SecretStr | None) -> SecretStr | None:
        """A variable that was left empty would let in everybody who sends an empty token."""
        if value is not None and not value.get_secret_value().strip():
            raise ValueError("must not be empty")
        return value

    @field_validator("webhook_secret")
    @classmethod
    def _usable(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            key_of(value.get_secret_value())
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, else the environment, else the file that one of them names.

        Raises:
            SettingsFileError: There is something wrong with the file.
        """
        given, environment = init_settings(), env_settings()
        path = given.get(ITSELF, environment.get(ITSELF))
        in_file = settings_in(path, settings_cls.model_fields) if path else {}
        return init_settings, env_settings, InitSettingsSource(settings_cls, in_file)


def _container(annotation: Any) -> type | None:
    """Whether a setting takes many values: list or dict, else None."""
    for kind in (annotation, *get_args(annotation)):
        origin = get_origin(kind) or kind
        if origin in (list, tuple, set, frozenset, dict):
            return dict if origin is dict else list
    return None
