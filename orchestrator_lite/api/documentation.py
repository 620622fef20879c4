"""The OpenAPI document, and a page that shows it without a network (seeds 001 and 002: `/_public/docs`)."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Final

from fastapi import APIRouter, Request
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import Response

from orchestrator_lite.api._http import ApiError, DirectRoute, answer
from orchestrator_lite.api._openapi import document
from orchestrator_lite.api._site import ROOT, site_of

router = APIRouter(route_class=DirectRoute, tags=["public"])

_ASSETS: Final = {
    "swagger-ui-bundle.js": "application/javascript",
    "swagger-ui.css": "text/css",
    "favicon-32x32.png": "image/png",
}

_OPTIONS: Final = {"persistAuthorization": True, "tryItOutEnabled": True, "filter": True, "docExpansion": "none"}


@router.get("/openapi.json", responses={200: {"content": {"application/json": {"schema": {"type": "object"}}}}})
async def openapi(request: Request) -> Response:
    """The OpenAPI 3.1 document of everything this server serves."""
    return answer(document(request.app, site_of(request.scope).blueprints, request.scope.get(ROOT, "")))


@router.get("/_public/docs", responses={200: {"content": {"text/html": {"schema": {"type": "string"}}}}})
async def page(request: Request) -> Response:
    """The interactive documentation; it loads nothing from elsewhere."""
    root = request.scope.get(ROOT, "")
    return get_swagger_ui_html(
        openapi_url=f"{root}/openapi.json",
        title="orchestrator_lite",
        swagger_js_url=f"{root}/_public/docs/swagger-ui-bundle.js",
        swagger_css_url=f"{root}/_public/docs/swagger-ui.css",
        swagger_favicon_url=f"{root}/_public/docs/favicon-32x32.png",
        swagger_ui_parameters=dict(_OPTIONS),
    )


@router.get("/_public/docs/{asset}", include_in_schema=False)
async def asset(request: Request) -> Response:
    """What the page is made of."""
    name = request.path_params["asset"]
    if name not in _ASSETS:
        raise ApiError(404, "Not Found")
    return Response(_read(name), media_type=_ASSETS[name], headers={"cache-control": "public, max-age=86400"})


@cache
def _read(name: str) -> bytes:
    return files("fastapi_swagger.resources").joinpath(name).read_bytes()
