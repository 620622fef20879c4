"""Egress: what the server itself asks of others, behind one guard."""

from __future__ import annotations
