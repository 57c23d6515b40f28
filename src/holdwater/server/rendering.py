"""HTML from templates: every text of a user is escaped; links respect the path the application is mounted at."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from holdwater import __version__
from holdwater.drawing.marks import MARKS, mark_icon, mark_of_run, mark_symbols
from holdwater.model.time import wall_now
from holdwater.operations.questions import QuestionCount, count_questions
from holdwater.server import presentation
from holdwater.server.access import Caller, caller_of
from holdwater.server.command_lines import command_line
from holdwater.server.notices import forget_notice, notice_of
from holdwater.server.page_paths import section_of
from holdwater.server.preferences import keep_last_tenant, preferences_of
from holdwater.server.run_paths import encode_run_id
from holdwater.server.static_files import fingerprint
from holdwater.server.tenant_database import BORROWED, TenantDatabase, tenants_of

MAX_QUESTIONS: Final = 99
"""open questions that are counted beside the name of their page"""

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
)
_ENVIRONMENT.filters.update(presentation.FILTERS, run_segment=encode_run_id)


def render(
    request: Request, template: str, tenant: TenantDatabase | None = None, *, status_code: int = 200, **values: Any
) -> HTMLResponse:
    """Render a page.

    Templates also see `root` (prefix of every link), `static` (of scripts and styles), `tenant`, `base`
    (`root/ui/TENANT`), `command_line` (of commands on this database), `now`, `preferences`, `notice`, `csrf_token` (of
    the hidden field in every form: `ui.csrf()`), `can_write` (acting controls are shown) and `read_only_reason` (a
    sentence; empty for a database that can be written), `caller`, `login_path` (the page where browsers sign in, None
    without one), `switches` (the caller can choose among tenants) and `administers` (it has pages of keys).  `tenant`:
    None for that of the request, or the only one; on a page of no tenant it is None for the template, too, which has no
    `command_line` then.
    """
    notice = notice_of(request)
    text = _render_text(request, template, tenant, notice=notice, **values)
    response = HTMLResponse(text, status_code)
    if notice is not None:
        forget_notice(request, response)
    shown = _shown_tenant(request, tenant)
    if shown is not None and can_switch(request):
        keep_last_tenant(request, response, shown.tenant)
    return response


def can_switch(request: Request) -> bool:
    """Return True if the caller has access to many tenants."""
    return tenants_of(request).only is None and caller_of(request).tenant is None


def can_administer(request: Request) -> bool:
    """Return True if the caller may look at keys and the audit of the tenant, or of the server."""
    return request.app.state.policy.login_path is not None and caller_of(request).may("admin")


def render_fragment(request: Request, template: str, tenant: TenantDatabase | None, **values: Any) -> HTMLResponse:
    """Render a part of a page for its live update: what it shows of a notice is left for the next page."""
    return HTMLResponse(_render_text(request, template, tenant, notice=None, **values))


def root_of(request: Request) -> str:
    """Return the path the application is mounted at, without a slash at its end."""
    return str(request.scope.get("root_path", "")).rstrip("/")


def path_below_root(request: Request) -> str:
    """Return the path of a request below the path the application is mounted at."""
    return str(request.scope["path"]).removeprefix(root_of(request))


def is_page(request: Request) -> bool:
    """Return True if the path is that of a page of the web UI."""
    path = path_below_root(request)
    return path in ("", "/") or path == "/ui" or path.startswith("/ui/") or path == "/docs"


def _shown_tenant(request: Request, tenant: TenantDatabase | None) -> TenantDatabase | None:
    shown: TenantDatabase | None = tenant or request.scope.get(BORROWED) or tenants_of(request).only
    return shown


def _render_text(request: Request, template: str, tenant: TenantDatabase | None, **values: Any) -> str:
    shown = _shown_tenant(request, tenant)
    caller, root = caller_of(request), root_of(request)
    return _ENVIRONMENT.get_template(template).render(
        {
            "request": request,
            "root": root,
            "caller": caller,
            "static": f"{root}/static/{fingerprint()}",
            "preferences": preferences_of(request),
            "csrf_token": caller.csrf,
            "login_path": request.app.state.policy.login_path,
            "switches": can_switch(request),
            "administers": can_administer(request),
            "kept_section": section_of(path_below_root(request)) or "runs",
            **(_values_without_tenant(root) if shown is None else _values_of_tenant(shown, caller, root)),
            "questions_open": _count_questions(shown) if values.get("section") else None,
            **values,
        }
    )


def _values_of_tenant(tenant: TenantDatabase, caller: Caller, root: str) -> dict[str, Any]:
    return {
        "tenant": tenant,
        "base": f"{root}/ui/{tenant.tenant}",
        "command_line": partial(command_line, tenant),
        "now": tenant.database.clock.now(),
        "can_write": caller.may("write") and not tenant.is_read_only,
        "read_only_reason": tenant.read_only_reason,
    }


def _values_without_tenant(root: str) -> dict[str, Any]:
    return {"tenant": None, "base": f"{root}/ui", "now": wall_now(), "can_write": False, "read_only_reason": ""}


def _count_questions(tenant: TenantDatabase | None) -> QuestionCount | None:
    return None if tenant is None else count_questions(tenant.database, limit=MAX_QUESTIONS)
