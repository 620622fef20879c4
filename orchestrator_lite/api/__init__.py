"""HTTP and WebSocket: one module per API group, each speaking its own error envelope."""

from __future__ import annotations
