"""HTML from templates: every text of a user is escaped; links respect the path the application is mounted at."""

from __future__ import annotations

from typing import Any, Final

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from holdwater import __version__
from holdwater.server.run_paths import encode_run_id
from holdwater.server.tenant_database import TenantDatabase

_ENVIRONMENT: Final = Environment(
    loader=PackageLoader("holdwater.server"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.globals["version"] = __version__
_ENVIRONMENT.filters["run_segment"] = encode_run_id


def render(
    request: Request, template: str, tenant: TenantDatabase, *, status_code: int = 200, **values: Any
) -> HTMLResponse:
    """Render a page.  Templates also see `root` (prefix of every link), `tenant`, `base` (`root/ui/TENANT`)."""
    root = request.scope.get("root_path", "").rstrip("/")
    text = _ENVIRONMENT.get_template(template).render(
        request=request, root=root, tenant=tenant, base=f"{root}/ui/{tenant.tenant}", **values
    )
    return HTMLResponse(text, status_code)
