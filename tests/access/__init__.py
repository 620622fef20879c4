"""Credentials, limits and quotas by themselves."""

from __future__ import annotations
