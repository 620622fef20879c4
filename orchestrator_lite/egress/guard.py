"""The one door through which every outgoing call of the server passes.

http and https only; the name is resolved once, every address it has is judged, and the connection goes to one that was
judged, under the name that was asked for. No proxy of the environment is used. Redirects are followed by hand, each
through this door, without credentials where another origin begins. Time, bytes and unpacked bytes are bounded.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Final, TypeAlias
from urllib.parse import urljoin

from avtomatika_client._version import __version__
from avtomatika_client.protocol.clock import SYSTEM_CLOCK, Clock
from orchestrator_lite.egress._reading import body_of
from orchestrator_lite.egress._resolver import Resolver, system_resolver
from orchestrator_lite.egress.addresses import objection
from orchestrator_lite.egress.allowed import Allowed
from orchestrator_lite.egress.errors import EgressError, EgressRefused, EgressTimeout, NotConnectedError
from orchestrator_lite.egress.targets import Target, target_of

Exchange: TypeAlias = Callable[
    [Target, str, str, Mapping[str, str], bytes],
    AbstractAsyncContextManager[tuple[int, Mapping[str, str], AsyncIterator[bytes]]],
]
"""`_wire.exchange`."""

log = logging.getLogger(__name__)

TRIED: Final = 3
"""Addresses of one name that are tried in turn."""

REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})

_HARMLESS: Final = frozenset({"accept", "accept-encoding", "accept-language", "content-type", "user-agent"})
"""Headers that go along to another origin; every other one may be a credential."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """An outgoing call.

    Attributes:
        url: Where it goes.
        method: The HTTP method.
        headers: Sent along; names in small letters.
        content: The body.
        seconds: All the time it may take, redirects included.
        redirects: How many are followed.
        most: Bytes the answer may have on the wire; 0: its body is not read at all.
        most_unfolded: Bytes it may have once it is unpacked.
    """

    url: str
    method: str = "GET"
    headers: Mapping[str, str]
    content: bytes = b""
    seconds: float = 10.0
    redirects: int = 0
    most: int = 0
    most_unfolded: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: status, headers (names in small letters), and the body unless it was not to be read."""

    status: int
    headers: Mapping[str, str]
    content: bytes = b""


@dataclass(slots=True)
class Counted:
    """What passed the door since the start, and what did not."""

    calls: int = 0
    refused: int = 0


class Egress:
    """The guard.

    Args:
        allow: What is not judged, `HOST[:PORT]` each.
        clock: Whose time bounds calls.
        resolver: Names to addresses; default: the machine's.

    Attributes:
        counted: Calls that were made and calls that were refused.

    Raises:
        EgressAllowError: An entry cannot be read.
    """

    def __init__(
        self, allow: Iterable[str] = (), *, clock: Clock = SYSTEM_CLOCK, resolver: Resolver | None = None
    ) -> None:
        self._allowed = Allowed(allow)
        self._clock = clock
        self._resolve = resolver or system_resolver(clock)
        self._exchange: Exchange | None = None
        self.counted = Counted()

    def check(self, url: str) -> None:
        """Judge a URL as far as that is possible without asking anybody: what it says, not what its name leads to.

        Raises:
            EgressRefused: No call to it would be made; the text says why.
        """
        target = target_of(url)
        if self._allowed.opens(target):
            return
        if target.is_address and (why := objection(target.host)) is not None:
            raise _refused(target, f"it is {why}")
        if target.host == "localhost" or target.host.endswith(".localhost"):
            raise _refused(target, "it is this machine")

    async def send(self, call: Call) -> Answer:
        """Make a call.

        Raises:
            EgressRefused: The guard lets it not through, or a redirect of it.
            EgressTimeout: The time was up.
            EgressError: There was no answer, or one that is too large or cannot be read.
        """
        self.counted.calls += 1
        try:
            async with self._clock.timeout(call.seconds):
                return await self._followed(call)
        except TimeoutError as error:
            raise EgressTimeout(f"no whole answer within {call.seconds:g} s") from error
        except EgressRefused as refused:
            self.counted.refused += 1
            log.warning("an outgoing call was refused: %s", refused)
            raise

    async def _followed(self, call: Call) -> Answer:
        for _ in range(call.redirects + 1):
            target = target_of(call.url)
            answer = await self._exchanged(call, target)
            if not call.redirects or answer.status not in REDIRECTS or "location" not in answer.headers:
                return answer
            call = _redirected(call, target, answer)
        raise EgressError(f"more than {call.redirects} redirects")

    async def _exchanged(self, call: Call, target: Target) -> Answer:
        failure = EgressError("the name has no address")
        for address in (await self._judged(target))[:TRIED]:
            try:
                return await self._asked(call, target, address)
            except NotConnectedError as error:
                failure = error
        raise failure

    async def _asked(self, call: Call, target: Target, address: str) -> Answer:
        headers = {
            "user-agent": f"avtomatika-sdk/{__version__}",
            "accept": "*/*",
            "accept-encoding": "gzip, deflate" if call.most else "identity",
            **call.headers,
        }
        exchange = self._exchange or await self._loaded()
        async with exchange(target, address, call.method, headers, call.content) as (status, said, pieces):
            return Answer(status, said, await self._read(call, said, pieces))

    async def _loaded(self) -> Exchange:
        """The HTTP library, loaded when it is first needed and then beside the loop: it takes a tenth of a second."""
        module = "orchestrator_lite.egress._wire"
        self._exchange = (await asyncio.get_running_loop().run_in_executor(None, import_module, module)).exchange
        return self._exchange

    async def _read(self, call: Call, said: Mapping[str, str], pieces: AsyncIterator[bytes]) -> bytes:
        if not call.most:
            return b""
        packed = said.get("content-encoding", "")
        return await body_of(pieces, packed, most=call.most, most_unfolded=call.most_unfolded or call.most)

    async def _judged(self, target: Target) -> list[str]:
        """The addresses behind a target: looked up once, and all of them judged before one is used."""
        if target.is_address:
            addresses = [target.host]
        else:
            try:
                addresses = await self._resolve(target.host, target.port)
            except OSError as error:
                raise EgressError("the name cannot be resolved") from error
        if self._allowed.opens(target):
            return addresses
        for address in addresses:
            if (why := objection(address)) is not None:
                raise _refused(target, f"it {'is' if target.is_address else 'leads to'} {why}")
        return addresses


def _refused(target: Target, why: str) -> EgressRefused:
    """Names the host, which has been reduced to harmless letters, and the setting that opens it; never the path."""
    return EgressRefused(f"{target.authority} is not open to this server: {why}; the setting egress_allow opens it")


def _redirected(call: Call, target: Target, answer: Answer) -> Call:
    """The next call of a redirect; another origin gets no credentials, and only 307 and 308 repeat a body."""
    try:
        url = urljoin(call.url, answer.headers["location"])
    except ValueError as error:
        raise EgressError("the redirect leads to no URL") from error
    call = replace(call, url=url)
    if target_of(url).origin != target.origin:
        call = replace(call, headers={name: text for name, text in call.headers.items() if name in _HARMLESS})
    if answer.status in (307, 308) or call.method in ("GET", "HEAD"):
        return call
    headers = {name: text for name, text in call.headers.items() if name != "content-type"}
    return replace(call, method="GET", content=b"", headers=headers)
