"""The wire contract: what travels between client, orchestrator and worker, with no I/O.

It is the ground of the house: the client, the worker and the server stand on it, and it loads nothing of them.
"""

from __future__ import annotations
