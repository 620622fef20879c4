"""The two kinds of wire models: what we received is kept whole, what we send is checked."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Self

from pydantic import BaseModel, ConfigDict

JSON = Any
"""Any JSON value: null, a boolean, a number, a text, a list or an object of these."""


class Received(BaseModel):
    """A message somebody else wrote: fields we do not know are kept and can be read as attributes."""

    model_config = ConfigDict(extra="allow", populate_by_name=True)


class Sent(BaseModel):
    """A message we write: a field the protocol does not have is a mistake of ours."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class OpenEnum(StrEnum):
    """An enum of texts to which a later server may add: an unknown value is kept and compares as text."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str):
            return None
        member = str.__new__(cls, value)
        member._name_ = value.upper()
        member._value_ = value
        return member

    def __str__(self) -> str:
        return str(self.value)
