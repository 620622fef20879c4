"""Every test has a state folder of its own, and no setting of whoever runs it."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(autouse=True)
def own_settings(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Begin without settings."""
    for name in os.environ:
        if name.startswith("AVTOMATIKA_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AVTOMATIKA_STATE_DIR", str(tmp_path_factory.mktemp("state")))
