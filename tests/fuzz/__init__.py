"""Requests nobody would think of: made from the OpenAPI document, and by hand against every route."""

from __future__ import annotations
