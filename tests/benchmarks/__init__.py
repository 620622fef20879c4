"""The benchmarks measure what they say."""

from __future__ import annotations
