"""The client: both faces, the transports and the calls, against a scripted foreign server."""

from __future__ import annotations
