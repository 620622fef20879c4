"""Webhooks: what a job's end reports, and how it gets there."""

from __future__ import annotations
