"""Who the clients are: by the one token of the settings, and by `clients.toml` of the official configuration."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from avtomatika_client.protocol.webhooks import PREFIX, key_of
from orchestrator_lite.access._digest import digest
from orchestrator_lite.access._errors import AccessError
from orchestrator_lite.access._toml import Table, json_value, read_tables
from orchestrator_lite.engine.state import Client

DEFAULT_CLIENT = "default"
"""The name of the client whose token stands in the settings."""

RESERVED = frozenset({"token", "plan", "monthly_attempts", "webhook_secret"})
"""Fields with a meaning of their own; the others are the client's parameters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What is known of one client.

    Attributes:
        client: What jobs keep and handlers see of it; no secret stands there.
        token: What it sends.
        monthly_attempts: How many jobs it may create in a month; None: any number.
        webhook_secret: What its webhooks are signed with; None: what the server's are.
    """

    client: Client
    token: SecretStr
    monthly_attempts: int | None = None
    webhook_secret: SecretStr | None = None


class Clients:
    """Finds clients by their tokens, which are kept and compared as digests.

    Args:
        accounts: All of them; names and tokens differ.
    """

    def __init__(self, accounts: list[Account]) -> None:
        self._by_token = {digest(account.token.get_secret_value().encode()): account.client for account in accounts}
        self._by_name = {account.client.name: account for account in accounts}

    def __len__(self) -> int:
        return len(self._by_name)

    def holder(self, token: bytes) -> Client | None:
        """Whose token it is."""
        return self._by_token.get(digest(token))

    def named(self, name: str | None) -> Client | None:
        """The client of a name; None asks for the one that is there without a file, else the file's first."""
        if name is None:
            return next((account.client for account in self._by_name.values()), None)
        account = self._by_name.get(name)
        return None if account is None else account.client

    def webhook_secret(self, name: str) -> str | None:
        """What a client's webhooks are signed with; None: it has no secret of its own, or is not known any more."""
        account = self._by_name.get(name)
        secret = None if account is None else account.webhook_secret
        return None if secret is None else secret.get_secret_value()

    def quotas(self) -> dict[str, int]:
        """The clients with a quota: how many jobs each may create in a month."""
        found = {name: account.monthly_attempts for name, account in self._by_name.items()}
        return {name: quota for name, quota in found.items() if quota is not None}


def read_clients(path: Path | None, own: Account | None) -> Clients:
    """The clients of `clients.toml`, and the one of the settings.

    Args:
        path: The file; None: there is none.
        own: The client of the settings.

    Raises:
        AccessError: The file cannot be read or means nothing; file, line, table and field come first.
    """
    accounts = [] if own is None else [own]
    for table in [] if path is None else read_tables(path):
        account = _account(table)
        for other in accounts:
            if other.client.name == account.client.name:
                table.wrong(None, "is the name of the client whose token the settings hold; take another")
            if other.token == account.token:
                table.wrong("token", f"is that of {other.client.name!r} too")
        accounts.append(account)
    if path is not None and len(accounts) == (own is not None):
        raise AccessError(f"{path}: holds no client")
    return Clients(accounts)


def _account(table: Table) -> Account:
    if not table.name.strip() or len(table.name) > 256 or not table.name.isprintable():
        table.wrong(None, "is no name: up to 256 printable characters")
    params = {}
    for name, value in table.fields.items():
        if name not in RESERVED:
            try:
                params[name] = json_value(value)
            except ValueError as error:
                table.wrong(name, str(error))
    return Account(
        client=Client(name=table.name, plan=_plan(table), params=params),
        token=SecretStr(table.token()),
        monthly_attempts=_quota(table),
        webhook_secret=_secret(table),
    )


def _plan(table: Table) -> str:
    plan = table.fields.get("plan", "unknown")
    if not isinstance(plan, str):
        table.wrong("plan", "must be a text")
    return plan


def _quota(table: Table) -> int | None:
    quota = table.fields.get("monthly_attempts")
    if quota is None:
        return None
    if not isinstance(quota, int) or isinstance(quota, bool) or quota < 0:
        table.wrong("monthly_attempts", "must be a whole number, zero or more")
    return quota


def _secret(table: Table) -> SecretStr | None:
    secret = table.fields.get("webhook_secret")
    if secret is None:
        return None
    if not isinstance(secret, str) or not secret:
        table.wrong("webhook_secret", "must be a text that is not empty")
    try:
        key_of(secret)
    except ValueError:
        table.wrong("webhook_secret", f"must have base64 behind {PREFIX}")
    return SecretStr(secret)
