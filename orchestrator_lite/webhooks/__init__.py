"""Webhooks: what the server reports of jobs, to those who asked for it."""

from __future__ import annotations
