"""Signed tokens: HS256, by the server's clock, an audience for each use."""

from __future__ import annotations

import asyncio
import sys
from math import inf
from typing import Any, Final

from avtomatika_client.protocol.clock import Clock

ISSUER: Final = "orchestrator_lite"
LONGEST: Final = 4096
"""Characters of a token; ours have a tenth of them."""
_ALGORITHM: Final = "HS256"


def encoded(claims: dict[str, Any], key: bytes, audience: str, *, now: float, lifetime: int) -> str:
    """A token that says `claims`; takes a while the first time, when the library is loaded."""
    import jwt

    times = {"iat": int(now), "exp": int(now) + lifetime}
    return jwt.encode({"iss": ISSUER, "aud": audience, **times, **claims}, key, _ALGORITHM)


async def decoded(token: str, key: bytes, audience: str, clock: Clock) -> dict[str, Any] | None:
    """What a token of ours says; None: it is none of ours, of another use, or has expired."""
    if token.count(".") != 2 or len(token) > LONGEST:
        return None
    if "jwt" in sys.modules:
        claims = _decoded(token, key, audience)
    else:
        with clock.hold():
            claims = await asyncio.to_thread(_decoded, token, key, audience)
    now = clock.now()
    return claims if claims is not None and _number(claims["exp"]) > now >= _number(claims.get("nbf", 0), inf) else None


def _number(claim: Any, otherwise: float = 0.0) -> float:
    return claim if isinstance(claim, int | float) else otherwise


def _decoded(token: str, key: bytes, audience: str) -> dict[str, Any] | None:
    """Its times are judged by the caller: the library goes by the machine's clock."""
    import jwt

    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[_ALGORITHM],
            audience=audience,
            issuer=ISSUER,
            options={"require": ["exp", "sub"], "verify_exp": False, "verify_iat": False, "verify_nbf": False},
        )
    except (jwt.InvalidTokenError, ValueError, RecursionError):  # its header is parsed before it is verified
        return None
    return claims
