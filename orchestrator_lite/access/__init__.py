"""Who may do what: credentials of clients, workers and people, rate limits, quotas, and development mode."""

from __future__ import annotations

from orchestrator_lite.access._access import GUESSABLE, Access
from orchestrator_lite.access._errors import AccessError, Refused
from orchestrator_lite.access._limits import Standing
from orchestrator_lite.access._origin import FORWARDING, check_origin, is_loopback
from orchestrator_lite.access._people import User, hash_password
from orchestrator_lite.access._quotas import Allowance
from orchestrator_lite.access._workers import Badge

__all__ = [
    "FORWARDING",
    "GUESSABLE",
    "Access",
    "AccessError",
    "Allowance",
    "Badge",
    "Refused",
    "Standing",
    "User",
    "check_origin",
    "hash_password",
    "is_loopback",
]
