"""Tokens for people (seed 004), in the envelope of that seed; pipelines and flows take them."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.responses import Response

from orchestrator_lite.access import Access, Refused
from orchestrator_lite.api._document import json_body
from orchestrator_lite.api._front import address_of
from orchestrator_lite.api._http import ApiError, DirectRoute, answer, read_json
from orchestrator_lite.api._identity import access_of

router = APIRouter(route_class=DirectRoute, tags=["people"])


class Credentials(BaseModel):
    """What a person signs in with."""

    model_config = ConfigDict(hide_input_in_errors=True)

    username: str = Field(max_length=256)
    password: str = Field(max_length=1024, json_schema_extra={"format": "password"})


class Token(BaseModel):
    """A token, to be sent as `Authorization: Bearer …`."""

    access_token: str
    token_type: str = "Bearer"  # noqa: S105
    expires_in: int = Field(description="Seconds.")


class Problem(BaseModel):
    """What was wrong."""

    code: str
    message: str
    details: dict[str, Any] = {}


class Failure(BaseModel):
    """The envelope of seed 004."""

    error: Problem


_WORDS: Final = {
    "invalid_input": ("输入数据无效", "the input is not valid"),
    "unauthorized": ("用户名或密码错误", "wrong username or password"),
    "rate_limited": ("请求过于频繁", "too many requests"),
}
"""Messages in the language of the seed, and in English for those who ask for it."""

_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"model": Token},
    400: {"model": Failure},
    401: {"model": Failure},
    413: {"model": Failure},
    429: {"model": Failure},
}


@router.post("/api/v1/auth/token", responses=_ANSWERS, openapi_extra=json_body(Credentials, security=[]))
@router.post("/api/auth/token", include_in_schema=False)
async def token(request: Request) -> Response:
    """A token for whoever knows a user's password; wrong ones are slowed after ten within a minute."""
    access, address = access_of(request), address_of(request.scope)
    try:
        asked = Credentials.model_validate(await read_json(request))
    except ApiError as error:
        return _failure(request, 400, "invalid_input", {"body": str(error)})
    except ValidationError as error:
        return _failure(request, 400, "invalid_input", _fields(error))
    try:
        issued = await _issued(access, asked, address)
    except Refused as refused:
        return _failure(request, 429, "rate_limited", {}, {"Retry-After": refused.headers["Retry-After"]})
    if issued is None:
        return _failure(request, 401, "unauthorized", {}, {"WWW-Authenticate": "Bearer"})
    return answer(Token(access_token=issued, expires_in=access.people.lifetime).model_dump())


async def _issued(access: Access, asked: Credentials, address: str | None) -> str | None:
    """A token, or None where name and password do not fit."""
    async with access.people.turn():
        suspected = await access.limits.suspected(address)  # right or wrong, no more of them are looked at
        issued = None if suspected else await access.people.sign_in(asked.username, asked.password)
        if issued is None:
            await access.limits.failed(address)
        return issued


def _failure(
    request: Request, status: int, code: str, details: dict[str, Any], headers: dict[str, str] | None = None
) -> Response:
    languages = request.headers.get("accept-language", "")
    message = _WORDS[code][languages.lower().startswith("en")]
    reply = answer({"error": {"code": code, "message": message, "details": details}}, status)
    reply.headers.update(headers or {})
    return reply


def _fields(error: ValidationError) -> dict[str, str]:
    found = error.errors(include_url=False, include_input=False, include_context=False)
    return {".".join(str(part) for part in one["loc"]) or "body": one["msg"] for one in found}
