"""Virtual time: the clock, the loop that follows it, and what keeps both from hanging."""

from __future__ import annotations
