"""The root of every error that the three packages raise."""

from __future__ import annotations


class AvtomatikaError(Exception):
    """The root of everything avtomatika_client, avtomatika_worker and orchestrator_lite raise themselves."""
