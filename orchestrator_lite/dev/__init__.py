"""What a developer starts by hand; beside `testing` the only part of the server that may use client and worker."""

from __future__ import annotations
