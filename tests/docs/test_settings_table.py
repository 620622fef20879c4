"""The reference names every setting there is."""

from __future__ import annotations

from pathlib import Path

from orchestrator_lite import Settings

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "server.md"


def test_every_setting_stands_in_the_reference():
    page = PAGE.read_text()
    prefix = Settings.model_config["env_prefix"]
    assert [name for name in Settings.model_fields if f"`{prefix}{name.upper()}`" not in page] == []


def test_every_feature_stands_in_the_reference():
    from orchestrator_lite.api.public import FEATURES

    page = PAGE.read_text()
    assert [feature for feature in FEATURES if f"| `{feature}` |" not in page] == []
