"""What tests are given: the in-process server with its virtual clock, and the faults that can be put into its way."""

from __future__ import annotations
