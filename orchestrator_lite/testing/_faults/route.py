"""Routes as faults name them: `POST /_worker/tasks/result`, `/api/v1/jobs/{id}`, `/api/*`, or `*` for all."""

from __future__ import annotations

import re
from typing import Final

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_WILD: Final = re.compile(r"(\*|\{\w+\})")


class Route:
    """What a fault is for.

    Args:
        text: `METHOD /path` or `/path`. `*` stands for one or more characters, slashes too, `{name}` for one segment;
            `*` alone is every route. A path is compared as the application sees it: decoded and without its query.

    Raises:
        ValueError: It is no route.
    """

    __slots__ = ("_method", "_path", "text")

    def __init__(self, text: str) -> None:
        if not isinstance(text, str):
            raise ValueError(_refusal(text))
        method, _, path = text.rpartition(" ")
        method = method.strip().upper()
        if (method and method not in METHODS) or not (path == "*" or path.startswith("/")):
            raise ValueError(_refusal(text))
        if "?" in path:
            raise ValueError(f"route {text!r}: a route has no query; end it before the ?")
        self.text = text
        self._method = method
        self._path = None if path == "*" else re.compile("".join(map(_pattern, _WILD.split(path))), re.DOTALL)

    def matches(self, method: str, path: str) -> bool:
        """Whether a request is on this route.

        Args:
            method: Upper-case method; a WebSocket's handshake is a GET.
            path: The decoded path.
        """
        if self._method and self._method != method:
            return False
        return self._path is None or self._path.fullmatch(path) is not None


def _pattern(part: str) -> str:
    if part == "*":
        return ".+"
    return "[^/]+" if _WILD.fullmatch(part) else re.escape(part)


def _refusal(text: object) -> str:
    return f'route {text!r}: write "METHOD /path", "/path" or "*" (methods: {", ".join(METHODS)})'
