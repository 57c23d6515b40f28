"""The audit log: of a tenant for its administrators, and of the whole server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse

from holdwater.drawing.marks import MarkName
from holdwater.server.control.audit import NEWEST, AuditRow
from holdwater.server.control.tables import ServerTables, control_of
from holdwater.server.page_roles import for_admins
from holdwater.server.rendering import render, render_fragment
from holdwater.server.tenant_database import Tenant, TenantDatabase

router = APIRouter(dependencies=[Depends(for_admins)])

PAGE_ROWS: Final = 100
KEY_PREFIX: Final = "key:"
_MARKS: Final[dict[str, tuple[MarkName, str]]] = {
    "asked": ("running", "Asked"),
    "done": ("completed", "Done"),
    "refused": ("orphaned", "Refused"),
    "failed": ("failed", "Failed"),
}
Before = Annotated[int, Query(ge=1, le=NEWEST)]


@dataclass(frozen=True, slots=True)
class ShownEntry:
    """A row of the log with what a page says of it.  `key_name`: of the key it was asked with; "" for none."""

    row: AuditRow
    key_name: str

    @property
    def mark(self) -> MarkName:
        return _MARKS[self.row.outcome][0]

    @property
    def word(self) -> str:
        return _MARKS[self.row.outcome][1]

    @property
    def verb(self) -> str:
        """Its verb in words."""
        noun, _, act = self.row.verb.rpartition(".")
        return " ".join([act.replace("_", " "), noun]).strip()

    @property
    def by(self) -> str:
        return self.row.by.removeprefix(KEY_PREFIX)


@router.get("/audit")
def audit_page(request: Request, tenant: Tenant, before: Before = NEWEST, fragment: str = "") -> HTMLResponse:
    """Show what was asked for in a tenant, the newest first.  `before`: the last number of the page before."""
    return show_audit(request, tenant, "audit", before, fragment)


def show_audit(
    request: Request, tenant: TenantDatabase | None, section: str, before: int, fragment: str
) -> HTMLResponse:
    """Show the log of a tenant; None: of the whole server.  Raises RequestError (404), StoreUnavailable."""
    tables, name = control_of(request), None if tenant is None else tenant.tenant
    rows = tables.audit.list(name, limit=PAGE_ROWS + 1, before=before)
    values: dict[str, Any] = {
        "section": section,
        "entries": _show(tables, rows[:PAGE_ROWS]),
        "older": f"?before={rows[PAGE_ROWS - 1].number}" if len(rows) > PAGE_ROWS else None,
        "is_first": before == NEWEST,
    }
    if fragment == "rows":
        return render_fragment(request, "audit/rows.html", tenant, **values)
    return render(request, "audit/page.html", tenant, **values)


def _show(tables: ServerTables, rows: list[AuditRow]) -> list[ShownEntry]:
    key_ids = {row.by.removeprefix(KEY_PREFIX) for row in rows if row.by.startswith(KEY_PREFIX)}
    names = {key.author: key.name for key in tables.keys.get_many(key_ids)} if key_ids else {}
    return [ShownEntry(row, names.get(row.by, "")) for row in rows]
