"""`data_stores` of blueprints: small named values that all jobs of a blueprint share, kept in the store."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from pydantic_core import from_json, to_json

from orchestrator_lite.engine.json_values import copied
from orchestrator_lite.store import Store


class DataStore:
    """One of them, as a handler is given it; the words are the official ones, `get` and `set`.

    Args:
        store: Where values lie.
        prefix: Which of them are this one's.
        initial: Values that hold until they are set.
    """

    def __init__(self, store: Store, prefix: str, initial: Mapping[str, Any]) -> None:
        self._store = store
        self._prefix = prefix
        self._initial = initial

    async def get(self, key: str) -> Any:
        """The value of a key; None when there is none."""
        name = self._name(key)
        found = await self._store.notes(name)
        return from_json(found[name]) if name in found else copied(self._initial.get(key), key)

    async def set(self, key: str, value: Any) -> None:
        """Set a key; it is stored when this returns.

        Raises:
            NotJSONError: The value has no JSON form.
            StoreUnavailable: It could not be stored.
        """
        await self._store.put_notes({self._name(key): to_json(copied(value, key))})

    def _name(self, key: str) -> str:
        return f"{self._prefix}{key}\x1f"


def data_stores(store: Store, blueprint: str, declared: Mapping[str, Mapping[str, Any]]) -> SimpleNamespace | None:
    """What a handler is given as `data_stores`; None where its blueprint declares none."""
    if not declared:
        return None
    made = {name: DataStore(store, f"data:{blueprint}\x1f{name}\x1f", initial) for name, initial in declared.items()}
    return SimpleNamespace(**made)
