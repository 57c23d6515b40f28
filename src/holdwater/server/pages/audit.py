"""The audit log: of a tenant for its administrators, and of the whole server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse

from holdwater.drawing.marks import MarkName
from holdwater.server.command_lines import server_command_line
from holdwater.server.control.audit import NEWEST, AuditRow
from holdwater.server.control.tables import ServerTables, control_of
from holdwater.server.page_roles import for_admins
from holdwater.server.pages.audit_filters import AuditFilters
from holdwater.server.pages.runs.query import WINDOW_NAMES
from holdwater.server.rendering import render
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
        return verb_in_words(self.row.verb)

    @property
    def target(self) -> str:
        """The object of the request, without the beginning that paths of its tenant have in common."""
        shown = self.row.target
        for prefix in (f"/v1/tenants/{self.row.tenant}/", f"/ui/{self.row.tenant}/"):
            shown = shown.removeprefix(prefix)
        return shown

    @property
    def by(self) -> str:
        return self.row.by.removeprefix(KEY_PREFIX)


def verb_in_words(verb: str) -> str:
    """Return `create key` for `key.create`, `upload package` for `upload_package`."""
    noun, _, act = verb.rpartition(".")
    return f"{act} {noun}".replace("_", " ").strip()


@router.get("/audit")
def audit_page(request: Request, tenant: Tenant, before: Before = NEWEST) -> HTMLResponse:
    """Show what was asked for in a tenant, the newest first.  `before`: the last number of the page before."""
    return show_audit(request, tenant, "audit", before)


def show_audit(request: Request, tenant: TenantDatabase | None, section: str, before: int) -> HTMLResponse:
    """Show the log of a tenant; None: of the whole server.  Raises RequestError (404), StoreUnavailable."""
    tables, name = control_of(request), None if tenant is None else tenant.tenant
    query = AuditFilters.of(request.query_params)
    rows: list[AuditRow] = []
    problem = ""
    try:
        which = query.to_audit_filter(tables.database.clock.now())
        rows = tables.audit.list(name, which, limit=PAGE_ROWS + 1, before=before)
    except ValueError as error:
        problem = str(error)
    verbs = {*tables.audit.verbs(name), *filter(None, [query.verb])}
    return render(
        request, "audit/page.html", tenant, section=section, query=query, problem=problem,
        entries=_show(tables, rows[:PAGE_ROWS]), is_first=before == NEWEST,
        older=query.url(before=rows[PAGE_ROWS - 1].number) if len(rows) > PAGE_ROWS else None,
        verbs=sorted([(verb_in_words(verb), verb) for verb in verbs]), outcomes=_MARKS, windows=WINDOW_NAMES,
        command=_command(request, query, name),
    )  # fmt: skip


def _command(request: Request, query: AuditFilters, tenant: str | None) -> str:
    given = [(f"--{name}", value) for name in ("verb", "outcome", "author", "since") if (value := getattr(query, name))]
    where = ("--all",) if tenant is None else ("--tenant", tenant)
    return server_command_line(request, "audit", *[text for pair in given for text in pair], *where)


def _show(tables: ServerTables, rows: list[AuditRow]) -> list[ShownEntry]:
    key_ids = {row.by.removeprefix(KEY_PREFIX) for row in rows if row.by.startswith(KEY_PREFIX)}
    names = {key.author: key.name for key in tables.keys.get_many(key_ids)} if key_ids else {}
    return [ShownEntry(row, names.get(row.by, "")) for row in rows]
