"""The in-memory connection: a client or worker and the application, with two queues between them."""

from __future__ import annotations
