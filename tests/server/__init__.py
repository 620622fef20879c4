"""The server, over real sockets."""

from __future__ import annotations
