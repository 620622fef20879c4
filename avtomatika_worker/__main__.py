"""`python -m avtomatika_worker`."""

from __future__ import annotations

from avtomatika_worker._cli import main

main()
