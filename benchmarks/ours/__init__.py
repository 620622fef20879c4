"""What our own server and worker run in the benchmarks."""

from __future__ import annotations
