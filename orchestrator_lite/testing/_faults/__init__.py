"""What is put in the way of requests."""

from __future__ import annotations
