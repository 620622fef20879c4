"""What the server asks of others, and what it does not let happen."""

from __future__ import annotations
