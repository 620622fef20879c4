"""The root of every error that the three packages raise."""

from __future__ import annotations

from typing import Any, Self


class AvtomatikaError(Exception):
    """The root of everything avtomatika_client, avtomatika_worker and orchestrator_lite raise themselves.

    Without arguments the message is the first line of the class's docstring. Errors hold plain data only: they
    pickle and copy whatever their constructor asks for.

    Attributes:
        message: What happened, for people.
    """

    def __init__(self, *args: object) -> None:
        super().__init__(*(args or (default_message(type(self)),)))

    @property
    def message(self) -> str:
        """What happened, for people."""
        return str(self.args[0]) if self.args else default_message(type(self))

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.args, self.__dict__.copy())

    @classmethod
    def _restore(cls, args: tuple[object, ...], state: dict[str, object]) -> Self:
        error = cls.__new__(cls)
        error.args = args
        error.__dict__.update(state)
        return error


def default_message(error_class: type[BaseException]) -> str:
    """The first line of an error class's docstring, or its name where docstrings are stripped."""
    lines = (error_class.__doc__ or "").strip().splitlines()
    return lines[0] if lines else error_class.__name__


def _rebuild(error_class: type[AvtomatikaError], args: tuple[object, ...], state: dict[str, object]) -> AvtomatikaError:
    return error_class._restore(args, state)  # noqa: SLF001
