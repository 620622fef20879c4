"""One settings model: flags win over the environment, the environment over the config file, the file over defaults."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

import pytest
import typer
from pydantic import Field, SecretStr

from orchestrator_lite import Settings
from orchestrator_lite._cli._config import config_lines
from orchestrator_lite._cli._flags import flag_fields, is_secret
from orchestrator_lite._cli._main import app
from orchestrator_lite._cli._options import UsageError, settings_of
from orchestrator_lite._settings_file import SettingsFileError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "lite.toml"


class Many(Settings):
    """Settings with kinds the server may get."""

    names: list[str] = Field(default_factory=list)
    limits: dict[str, int] = Field(default_factory=dict)


def test_a_flag_wins_over_the_environment_that_over_the_file_and_that_over_the_default(config, monkeypatch):
    config.write_text("port = 1\nmax_depth = 1\nmax_body = 1\n")
    monkeypatch.setenv("ORCHESTRATOR_LITE_CONFIG", str(config))
    monkeypatch.setenv("ORCHESTRATOR_LITE_PORT", "2")
    monkeypatch.setenv("ORCHESTRATOR_LITE_MAX_DEPTH", "2")
    settings = settings_of({"port": "3"})
    assert (settings.port, settings.max_depth, settings.max_body) == (3, 2, 1)
    assert settings.poll_hold == Settings.model_fields["poll_hold"].default


def test_a_program_names_a_config_file_too(config, monkeypatch):
    config.write_text('client_token = "c"\nfiles = "kept"\npoll_hold = 5\n')
    settings = Settings(config=config)
    assert (settings.poll_hold, str(settings.files)) == (5.0, "kept")
    assert settings.client_token is not None
    assert settings.client_token.get_secret_value() == "c"
    monkeypatch.setenv("ORCHESTRATOR_LITE_CONFIG", str(config))
    assert Settings().poll_hold == 5.0
    assert Settings(config=None).poll_hold == 30.0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("no_such_thing = 1", "no_such_thing: there is no such setting"),
        ("max-depth = 3", "max-depth: there is no such setting; did you mean max_depth?"),
        ("[server]\nport = 1", "server: there is no such setting"),
        ('port = "8080"', "port: Input should be a valid integer"),
        ("port = true", "port: Input should be a valid integer"),
        ("port = 70000", "port: Input should be less than or equal to 65535"),
        ("host = 5", "host: Input should be a valid string"),
        ("client_token = 42", "client_token: Input should be a valid string"),
        ('durability = "none"', "durability: Input should be 'power' or 'process'"),
        ("poll_hold = inf", "poll_hold: Input should be"),
        ("store = 2026-01-01", "store: dates and times make no sense here"),
        ('config = "other.toml"', "config: a config file cannot name another one"),
        ("port = ", "this is no TOML: Invalid value (at end of document)"),
        ("port = 1\nport = 2", "this is no TOML: Cannot overwrite a value (at end of document)"),
        ("a = " + "[" * 5000, "this is no TOML: "),
    ],
)
def test_what_makes_no_sense_in_the_file_is_named_in_one_line(config, text, words):
    config.write_text(text)
    with pytest.raises(SettingsFileError) as refused:
        Settings(config=config)
    assert str(refused.value).startswith(f"{config}: {words}")
    assert "\n" not in str(refused.value)


def test_a_secret_of_a_wrong_type_is_not_shown(config):
    config.write_text("worker_token = 4711\n")
    with pytest.raises(SettingsFileError) as refused:
        Settings(config=config)
    assert "4711" not in str(refused.value)


def test_a_file_that_is_not_there_is_a_folder_or_is_no_text_is_named(config):
    with pytest.raises(SettingsFileError, match="No such file"):
        Settings(config=config)
    with pytest.raises(SettingsFileError, match="Is a directory"):
        Settings(config=config.parent)
    config.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsFileError, match="this is no TOML"):
        Settings(config=config)


def test_a_byte_order_mark_does_no_harm(config):
    config.write_bytes(b"\xef\xbb\xbfport = 7\n")
    assert Settings(config=config).port == 7


def test_what_makes_no_sense_elsewhere_is_named_by_its_flag_or_variable(monkeypatch):
    with pytest.raises(UsageError, match=r"^--max-depth: Input should be a valid integer"):
        settings_of({"max_depth": "deep"})
    monkeypatch.setenv("ORCHESTRATOR_LITE_PORT", "http")
    with pytest.raises(UsageError, match=r"^ORCHESTRATOR_LITE_PORT: Input should be a valid integer"):
        settings_of({})


@pytest.mark.parametrize("name", ["retention", "handler_time_limit", "heartbeat_interval", "token_lifetime"])
def test_a_number_of_seconds_is_a_finite_one(name):
    for value in ("inf", "nan"):
        with pytest.raises(UsageError, match=f"^--{name.replace('_', '-')}: Input should be "):
            settings_of({name: value})


def test_a_setting_of_many_values_is_a_list_in_the_file_and_text_with_commas_in_the_environment(config, monkeypatch):
    config.write_text('names = ["x"]\nlimits = {a = 1}\n')
    assert Many(config=config).names == ["x"]
    assert Many(config=config).limits == {"a": 1}
    monkeypatch.setenv("ORCHESTRATOR_LITE_NAMES", "a, b,")
    assert Many().names == ["a", "b"]
    monkeypatch.setenv("ORCHESTRATOR_LITE_NAMES", '["a,b"]')
    monkeypatch.setenv("ORCHESTRATOR_LITE_LIMITS", '{"b": 2}')
    assert Many().names == ["a,b"]
    assert Many().limits == {"b": 2}
    config.write_text('names = "x"\n')
    with pytest.raises(SettingsFileError, match="names: Input should be a valid array"):
        Many(config=config)


@pytest.mark.parametrize("command", ["serve", "dev", "config"])
def test_every_setting_that_is_no_secret_is_a_flag_with_its_description(command):
    group = typer.main.get_command(app)
    options = {one.name: one for one in group.commands[command].params if one.opts[0].startswith("--")}  # type: ignore[attr-defined]
    for name in Settings.model_fields:
        if is_secret(Settings.model_fields[name]):
            assert name not in options
            assert name in group.commands[command].help  # type: ignore[attr-defined]
        elif name in dict(flag_fields()):
            assert options[name].opts[0] == f"--{name.replace('_', '-')}"
            assert options[name].help, f"{name} is not described in the docstring of Settings"


def test_the_effective_settings_are_shown_with_what_sets_them_and_without_secrets(config, monkeypatch):
    config.write_text('client_token = "c-secret"\nmax_depth = 5\n')
    monkeypatch.setenv("ORCHESTRATOR_LITE_WORKER_TOKEN", "w-secret")
    monkeypatch.setenv("ORCHESTRATOR_LITE_HOST", "::1")
    lines = list(config_lines({"config": str(config), "port": "9"}))
    assert not [line for line in lines if "-secret" in line]
    assert f'# client_token = "***"  # {config}' in lines
    assert '# worker_token = "***"  # ORCHESTRATOR_LITE_WORKER_TOKEN' in lines
    assert 'host = "::1"  # ORCHESTRATOR_LITE_HOST' in lines
    assert "port = 9  # --port" in lines
    assert f"max_depth = 5  # {config}" in lines
    assert "# files  # default" in lines
    shown = tomllib.loads("\n".join(lines))
    config.write_text("\n".join(lines))
    assert Settings(config=config).port == shown["port"] == 9


def test_no_secret_is_in_what_settings_show_of_themselves():
    assert "c-secret" not in repr(Settings(client_token=SecretStr("c-secret")))
