"""`python -m orchestrator_lite`."""

from __future__ import annotations

from orchestrator_lite._cli import main

main()
