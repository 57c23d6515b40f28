"""The description of the API, and a page made of it."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, FastAPI, Request
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse

from holdwater.server.idempotent_requests import PARAMETER
from holdwater.server.openapi_examples import add_examples
from holdwater.server.rendering import render

_UNUSED: Final = ("HTTPValidationError", "ValidationError")

PUBLIC_OPERATIONS: Final = ("health", "metrics", "ready")

router = APIRouter()


def describe_api(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document: what the framework makes, with our errors in the place of its own."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title,
            version=app.version,
            summary="Workflows of a database: look at them, start and steer them.",
            routes=app.routes,
            tags=[],
        )
        for path in document["paths"].values():
            for operation in path.values():
                operation.get("responses", {}).pop("422", None)
                operation.pop("x-takes-values", None)
                operation.pop("x-takes-context-part", None)
                operation.pop("x-audited", None)
                is_once = operation.pop("x-idempotent", False)
                if is_once and app.state.control is not None:  # where there are keys, and a place for responses
                    operation.setdefault("parameters", []).append(PARAMETER)
                if operation["operationId"] in PUBLIC_OPERATIONS:
                    operation["security"] = []
        schemas = document.get("components", {}).get("schemas", {})
        for name in _UNUSED:
            schemas.pop(name, None)
        document.setdefault("components", {})["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        add_examples(document)
        document["security"] = [{"token": []}]
        app.openapi_schema = document
    return app.openapi_schema


@router.get("/docs", include_in_schema=False)
def docs_page(request: Request) -> HTMLResponse:
    """Show the API: every route with its parameters, bodies and errors."""
    return render(request, "docs.html", section="", document=request.app.openapi())
