"""Pure logic: state + event -> new state + changes + effects. No I/O, no clock, no randomness."""

from __future__ import annotations
