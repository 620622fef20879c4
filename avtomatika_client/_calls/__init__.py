"""API calls without I/O: a call is a generator that yields what to do and returns a typed value.

`Send` asks its driver for an exchange, `Sleep` for a pause; the drivers live in `avtomatika_client._transport`.
"""

from __future__ import annotations
