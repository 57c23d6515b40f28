"""HTML from templates: every text of a user is escaped; links respect the path the application is mounted at."""

from __future__ import annotations

from typing import Any, Final

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from holdwater import __version__
from holdwater.drawing.marks import MARKS, mark_icon, mark_of_run, mark_symbols
from holdwater.server import presentation
from holdwater.server.json_tree import json_tree
from holdwater.server.notices import forget_notice, notice_of
from holdwater.server.preferences import preferences_of
from holdwater.server.run_paths import encode_run_id
from holdwater.server.tenant_database import TenantDatabase

_ENVIRONMENT: Final = Environment(
    loader=PackageLoader("holdwater.server"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.globals.update(
    version=__version__,
    MARKS=MARKS,
    mark_icon=lambda name, titled=False: Markup(mark_icon(name, titled=titled)),
    mark_of_run=mark_of_run,
    mark_symbols=Markup(mark_symbols()),
    json_tree=json_tree,
)
_ENVIRONMENT.filters.update(presentation.FILTERS, run_segment=encode_run_id)


def render(
    request: Request, template: str, tenant: TenantDatabase, *, status_code: int = 200, **values: Any
) -> HTMLResponse:
    """Render a page.

    Templates also see `root` (prefix of every link), `tenant`, `base` (`root/ui/TENANT`), `now`, `preferences`,
    `notice`, `can_write` and `csrf_token`.
    """
    notice = notice_of(request)
    text = _render_text(request, template, tenant, notice=notice, **values)
    response = HTMLResponse(text, status_code)
    if notice is not None:
        forget_notice(request, response)
    return response


def render_fragment(request: Request, template: str, tenant: TenantDatabase, **values: Any) -> HTMLResponse:
    """Render a part of a page for its live update: what it shows of a notice is left for the next page."""
    text = _render_text(request, template, tenant, notice=None, **values)
    return HTMLResponse(text, headers={"Cache-Control": "no-store"})


def _render_text(request: Request, template: str, tenant: TenantDatabase, **values: Any) -> str:
    root = request.scope.get("root_path", "").rstrip("/")
    return _ENVIRONMENT.get_template(template).render(
        request=request,
        root=root,
        tenant=tenant,
        base=f"{root}/ui/{tenant.tenant}",
        now=tenant.database.clock.now(),
        preferences=preferences_of(request),
        question_count=0,
        can_write=not tenant.is_read_only,
        csrf_token=getattr(request.state, "csrf_token", ""),
        **values,
    )
