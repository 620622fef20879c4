"""Where a client gets its settings, and to whom the development token goes."""

from __future__ import annotations

import pytest

from avtomatika_client import Client
from avtomatika_client._loopback import is_loopback
from avtomatika_client._settings import resolve_client_token, resolve_url


def test_an_argument_wins_over_the_environment_and_that_over_the_default(monkeypatch):
    assert resolve_url(None) == "http://127.0.0.1:8080"
    monkeypatch.setenv("AVTOMATIKA_URL", "https://env.test/base/")
    monkeypatch.setenv("AVTOMATIKA_CLIENT_TOKEN", " from-env\n")
    assert resolve_url(None) == "https://env.test/base"
    assert resolve_url("http://arg.test") == "http://arg.test"
    assert resolve_client_token(None, "http://arg.test") == "from-env"
    assert resolve_client_token("arg", "http://arg.test") == "arg"


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080", "http://localhost", "http://[::1]:1", "http://a.localhost"])
def test_the_development_token_is_the_default_towards_this_machine(url):
    assert resolve_client_token(None, url, {}) == "dev-client-token"


@pytest.mark.parametrize(
    "url", ["http://example.test", "http://10.0.0.1", "http://127.0.0.1.example.test", "https://0.0.0.0"]
)
def test_no_other_host_gets_the_development_token(url):
    assert resolve_client_token(None, url, {}) is None


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:8080",
        "ftp://h",
        "http://",
        "http://user:secret@h",
        "http://h?token=secret",
        "http://h#secret",
        "ws://h",
    ],
)
def test_a_url_that_cannot_be_used_is_refused_without_repeating_it(url):
    with pytest.raises(ValueError) as caught:
        Client(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("LOCALHOST.", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("[::1]", True),
        ("localhost.example.test", False),
        ("192.168.0.1", False),
        ("", False),
    ],
)
def test_what_is_this_machine(host, here):
    assert is_loopback(host) is here


def test_a_base_path_is_kept(peer, face):
    from tests.client._peer import reply

    peer.on("GET", "/base/_public/status", reply({"status": "ok"}))
    assert face(face.client(f"{peer.url}/base/").status()).status == "ok"
