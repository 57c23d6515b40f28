"""The tenants that a caller can switch to, by a part of their names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from holdwater.server.access import caller_of
from holdwater.server.page_paths import SECTIONS
from holdwater.server.rendering import can_switch, render, render_fragment, root_of
from holdwater.server.tenant_database import tenants_of

router = APIRouter()

MENU_TENANTS: Final = 12
PAGE_TENANTS: Final = 300
MAX_TEXT_CHARS: Final = 100


@dataclass(frozen=True, slots=True)
class TenantChoice:
    """Names of tenants, those that begin with a text first.  `total`: of all that have it in their name."""

    names: tuple[str, ...]
    total: int


def find_tenants(names: tuple[str, ...], text: str, limit: int) -> TenantChoice:
    """Find the tenants with a text in their names, in any case."""
    wanted = text.strip().lower()
    found = sorted([name for name in names if wanted in name.lower()], key=lambda name: not name.startswith(wanted))
    return TenantChoice(tuple(found[:limit]), len(found))


@router.get("/tenants")
def choose_tenant(request: Request, text: str = "", section: str = "", here: str = "", fragment: str = "") -> Response:
    """List tenants, as links to the same section.  A text that only one of them has goes there at once."""
    text, section = text[:MAX_TEXT_CHARS], section if section in SECTIONS else "runs"
    root = root_of(request)
    if not can_switch(request):
        return RedirectResponse(f"{root}/ui", 303)
    names = tuple(tenants_of(request).names())
    if fragment == "choices":
        found = find_tenants(names, text, MENU_TENANTS)
        return render_fragment(
            request, "tenants/choices.html", None, choice=found, section=section, here=here, text=text
        )
    found = find_tenants(names, text, PAGE_TENANTS)
    only = text.strip() if text.strip() in names else found.names[0] if text and found.total == 1 else None
    if only is not None:
        return RedirectResponse(f"{root}/ui/{only}/{section}", 303)
    return render(
        request, "tenants/page.html", section="", target_section=section, choice=found, text=text, here=here,
        total=len(names), caller=caller_of(request),
    )  # fmt: skip
