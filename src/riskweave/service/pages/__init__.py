"""The few pages that the service has of its own: the front door, a one-time link, the API's documentation.

Everything they need comes from here: no other host is named anywhere.
"""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import Response

from riskweave.service.problems import Problem

router = APIRouter(include_in_schema=False)

FOLDER = Path(__file__).parent
FILES = {
    "style.css": "text/css",
    "setup.js": "text/javascript",
    "docs.js": "text/javascript",
}


def _page(name: str) -> Response:
    return Response((FOLDER / name).read_bytes(), media_type="text/html")


@router.get("/")
async def front() -> Response:
    return _page("front.html")


@router.get("/docs")
async def docs() -> Response:
    return _page("docs.html")


@router.get("/setup")
async def setup() -> Response:
    """The page of a one-time link. The token stands behind `#`: browsers do not send that to anybody."""
    return _page("setup.html")


@router.get("/static/{name}")
async def file(name: str) -> Response:
    if name not in FILES:
        raise Problem("not_found", "there is no such file")
    return Response(
        (FOLDER / name).read_bytes(), media_type=FILES[name], headers={"cache-control": "max-age=300"}
    )
