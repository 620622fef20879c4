"""`clients.toml` and `workers.toml`: read as the official configuration has them; what is wrong is named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from orchestrator_lite import Settings
from orchestrator_lite.access import Access, AccessError
from orchestrator_lite.access._people import DEV_HASH

if TYPE_CHECKING:
    from pathlib import Path

CLIENTS = """\
# who may create jobs
[premium]
token = "token-of-the-premium-client"
plan = "premium"
monthly_attempts = 100000
languages = ["en", "de"]
since = 2026-01-31
webhook_secret = "secret-of-its-webhooks"
vip = true

["free client"]
token = "token-of-the-free-client"
plan = "free"
"""


def access(tmp_path: Path, clients: str | None = None, workers: str | None = None, **settings: object) -> Access:
    """Access by files of these texts; a common token where there is no file."""
    given: dict[str, object] = {}
    for name, text in (("client", clients), ("worker", workers)):
        if text is None:
            given[f"{name}_token"] = f"common-token-of-{name}s"
        else:
            path = tmp_path / f"{name}s.toml"
            path.write_text(text, encoding="utf-8")
            given[f"{name}s_file"] = path
    return Access(Settings(**{**given, **settings}), loopback=True)  # type: ignore[arg-type]


def test_a_client_is_its_name_plan_and_the_other_fields_but_no_secret(tmp_path: Path):
    found = access(tmp_path, CLIENTS)
    client = found._clients.holder(b"token-of-the-premium-client")
    assert client is not None
    assert (client.name, client.plan) == ("premium", "premium")
    assert client.params == {"languages": ["en", "de"], "since": "2026-01-31", "vip": True}
    assert found.webhook_secret("premium") == "secret-of-its-webhooks"
    assert found.webhook_secret("free client") is None
    assert found.webhook_secret("nobody") is None
    allowance = found.quotas.of("premium")
    assert allowance is not None
    assert allowance.remaining == 100_000
    assert found.quotas.of("free client") is None
    assert not found.development


def test_no_secret_stands_in_a_repr(tmp_path: Path):
    found = access(tmp_path, CLIENTS, '[w1]\ntoken = "token-of-w1"\n', users={})
    shown = repr(vars(found)) + repr(vars(found._clients)) + repr(vars(found.workers)) + repr(found._settings)
    assert "token-of" not in shown
    assert "secret-of" not in shown


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[a]\nplan = 'x'\n", ":1: [a] token: is missing"),
        ("\n[a]\n\ntoken = 5\n", ":4: [a] token: must be a text"),
        ("[a]\ntoken = ''\n", ":2: [a] token: must be a text"),
        ("[a]\ntoken = 'naïve'\n", ":2: [a] token: must be a text"),
        ("[a]\ntoken = 'x y\\n'\n[b]\ntoken = ' b'\n", ":4: [b] token: must be a text"),
        ("[a]\ntoken = 'x'\nmonthly_attempts = 'many'\n", ":3: [a] monthly_attempts: must be a whole number"),
        ("[a]\ntoken = 'x'\nmonthly_attempts = -1\n", ":3: [a] monthly_attempts: must be a whole number"),
        ("[a]\ntoken = 'x'\nmonthly_attempts = true\n", ":3: [a] monthly_attempts: must be a whole number"),
        ("[a]\ntoken = 'x'\nplan = 1\n", ":3: [a] plan: must be a text"),
        ("[a]\ntoken = 'x'\nwebhook_secret = ''\n", ":3: [a] webhook_secret: must be a text"),
        ("[a]\ntoken = 'x'\nshare = nan\n", ":3: [a] share: must be a finite number"),
        ("[a]\ntoken = 'x'\n['b c']\ntoken = 'x'\n", ":4: [b c] token: is that of 'a' too"),
        ("token = 'x'\n", ": [token] must be a table"),
        ("[a]\ntoken = 'hush\n", ": is no TOML: at "),
        ("", ": holds no client"),
    ],
)
def test_a_bad_file_of_clients_is_refused_with_line_table_and_field(tmp_path: Path, text: str, told: str):
    with pytest.raises(AccessError) as refused:
        access(tmp_path, text)
    assert f"clients.toml{told}" in str(refused.value)
    assert "hush" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[w1]\ntokn = 'x'\n", ":1: [w1] token: is missing"),
        ("['w 1']\ntoken = 'x'\n", ":1: [w 1] is no worker id"),
        ("w1 = 'x'\n", ": [w1] must be a table"),
        ("[w1]\ntoken = 'the-common-one'\n", ":2: [w1] token: is that of all workers too"),
    ],
)
def test_a_bad_file_of_workers_is_refused_with_line_table_and_field(tmp_path: Path, text: str, told: str):
    with pytest.raises(AccessError) as refused:
        access(tmp_path, None, text, worker_token="the-common-one")
    assert f"workers.toml{told}" in str(refused.value)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path):
    with pytest.raises(AccessError, match=r"nowhere.toml: cannot be read: No such file"):
        access(tmp_path, clients_file=tmp_path / "nowhere.toml")


def test_bytes_that_are_no_text_are_refused(tmp_path: Path):
    (tmp_path / "bytes.toml").write_bytes(b"[a]\ntoken = '\xff'\n")
    with pytest.raises(AccessError, match=r"bytes.toml: is no TOML: it is not UTF-8"):
        access(tmp_path, clients_file=tmp_path / "bytes.toml")


def test_the_client_of_the_settings_is_one_beside_those_of_the_file(tmp_path: Path):
    found = access(tmp_path, CLIENTS, client_token="token-of-the-settings")
    client = found._clients.holder(b"token-of-the-settings")
    assert client is not None
    assert client.name == "default"
    with pytest.raises(AccessError, match=r"clients.toml:1: \[default\] is the name of the client"):
        access(tmp_path, "[default]\ntoken = 'x'\n", client_token="token-of-the-settings")


def test_files_alone_are_credentials_enough(tmp_path: Path):
    found = access(tmp_path, CLIENTS, '[w1]\ntoken = "token-of-w1"\n')
    assert found.workers.badge(b"token-of-w1") == {"w1"}


@pytest.mark.parametrize("given", ["users", "clients_file", "workers_file", "client_token", "worker_token"])
def test_any_credential_ends_development_mode(tmp_path: Path, given: str):
    (tmp_path / "clients.toml").write_text(CLIENTS)
    (tmp_path / "workers.toml").write_text('[w1]\ntoken = "token-of-w1"\n')
    values = {
        "users": {"ada": DEV_HASH},
        "clients_file": tmp_path / "clients.toml",
        "workers_file": tmp_path / "workers.toml",
        "client_token": "x",
        "worker_token": "x",
    }
    with pytest.raises(AccessError, match="is missing"):
        Access(Settings(**{given: values[given]}), loopback=True)  # type: ignore[arg-type]
    assert Access(Settings(), loopback=True).development


def test_what_is_no_hash_of_a_password_is_refused_and_not_told():
    settings = Settings(client_token="c", worker_token="w", users={"ada": "plain-password"})
    with pytest.raises(AccessError, match="users: ada: is no argon2 hash") as refused:
        Access(settings, loopback=True)
    assert "plain-password" not in str(refused.value)
    assert "plain-password" not in repr(settings)
