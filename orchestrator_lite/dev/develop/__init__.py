"""`orchestrator-lite dev`: some files served and worked for, and reloaded whenever they are saved.

The command only watches (`_supervisor`). It starts processes (`_server_process`, `_workers_process`), seen from
the command as `_crew` and `_child`, and seeing it as `_leash`; `_orders` is what they say to each other.
"""

from __future__ import annotations
