"""One exchange with one judged address. The only module of the server that imports httpx (`_head`: httpcore)."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Final

import httpcore
import httpx

from orchestrator_lite.egress._head import Head
from orchestrator_lite.egress.errors import EgressError, NotConnectedError
from orchestrator_lite.egress.targets import Target, bracketed

CONNECT: Final = 3.0
"""Seconds one address has to answer before the next one of the same name is tried."""


@asynccontextmanager
async def exchange(
    target: Target, address: str, method: str, headers: Mapping[str, str], content: bytes
) -> AsyncIterator[tuple[int, Mapping[str, str], AsyncIterator[bytes]]]:
    """Send a request to `address` as if it had been found under the target's name.

    Args:
        target: Where the request says it goes: Host, the name in TLS, the path.
        address: Where it goes.
        method: The HTTP method.
        headers: What is sent; `host` is set here.
        content: The body.

    Yields:
        Status, headers (names in small letters) and the body as it comes, still compressed.

    Raises:
        NotConnectedError: No connection.
        EgressError: It broke off, or the answer was no HTTP.
    """
    secure = target.scheme == "https"
    # A transport for one call: nothing is kept that could lead to another address than the one judged.
    head = Head()
    transport = _Transport(_tls() if secure else _plain(), head)
    try:
        request = _request(target, address, method, headers, content)
        async with transport:
            response = await transport.handle_async_request(request)
            head.over()
            try:
                yield response.status_code, response.headers, _pieces(response)
            finally:
                await response.aclose()
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        raise NotConnectedError(_why(error)) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise EgressError(_why(error)) from error


class _Transport(httpx.AsyncHTTPTransport):
    """httpx over connections that are counted, for which it has no parameter."""

    def __init__(self, context: ssl.SSLContext, head: Head) -> None:
        super().__init__(verify=context, trust_env=False)
        self._pool = httpcore.AsyncConnectionPool(ssl_context=context, network_backend=head)


def _request(target: Target, address: str, method: str, headers: Mapping[str, str], content: bytes) -> httpx.Request:
    """The request to an address: its URL names that, its header Host and the name in TLS are the target's."""
    try:
        return httpx.Request(
            method,
            f"{target.scheme}://{bracketed(address)}:{target.port}{target.path}",
            headers={**headers, "host": target.authority},
            content=content,
            extensions={
                "timeout": {"connect": CONNECT, "read": None, "write": None, "pool": None},
                **({"sni_hostname": target.host} if target.scheme == "https" else {}),
            },
        )
    except ValueError as error:
        raise EgressError("the request cannot be written") from error


async def _pieces(response: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for piece in response.aiter_raw():
            yield piece
    except httpx.HTTPError as error:
        raise EgressError(_why(error)) from error


def _why(error: Exception) -> str:
    """What went wrong, in words that hold nothing of the request."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"the certificate is not valid: {cause.verify_message}"
        if isinstance(cause, ssl.SSLError):
            return "the TLS connection failed"
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx.ConnectTimeout):
        return f"no connection within {CONNECT:g} s"
    if isinstance(error, httpx.ConnectError):
        return "no connection"
    if isinstance(error, httpx.RemoteProtocolError):
        return "the answer is no HTTP, or broke off"
    return "the connection broke off"


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context()


@lru_cache(maxsize=1)
def _plain() -> ssl.SSLContext:
    # httpx wants a context even where TLS is never spoken; one without certificates costs next to nothing
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
