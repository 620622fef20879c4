"""Egress: what the server itself asks of others, behind one guard."""

from __future__ import annotations

from orchestrator_lite.egress._resolver import Resolver
from orchestrator_lite.egress.allowed import EgressAllowError
from orchestrator_lite.egress.guard import Answer, Call, Egress, EgressTimeout
from orchestrator_lite.egress.targets import EgressError, EgressRefused

__all__ = [
    "Answer",
    "Call",
    "Egress",
    "EgressAllowError",
    "EgressError",
    "EgressRefused",
    "EgressTimeout",
    "Resolver",
]
