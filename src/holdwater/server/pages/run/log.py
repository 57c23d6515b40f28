"""The log of a node: its last lines in the panel, all of them on a page and as a file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response

from holdwater.operations.logs import LogLine, read_logs
from holdwater.runs.reader import RunReader
from holdwater.server.rendering import render
from holdwater.server.run_paths import RunId
from holdwater.server.tenant_database import Tenant

router = APIRouter()

PANEL_LINES: Final = 200
"""the last ones, in the panel"""
READ_LINES: Final = 5000
"""at once"""
MAX_READ_LINES: Final = 50_000
"""of which the last ones are shown; a longer log is cut before them"""
PAGE_LINES: Final = 1000


@dataclass(frozen=True, slots=True)
class LogTail:
    """The last lines of a node's log.  `left_out`: lines before them."""

    lines: tuple[LogLine, ...]
    left_out: int


def _read_all(runs: RunReader, run_id: str, node: str, attempt: int | None) -> Iterator[LogLine]:
    """Iterate over up to `MAX_READ_LINES` lines."""
    after: str | None = None
    for _ in range(MAX_READ_LINES // READ_LINES):
        page = read_logs(runs, run_id, node, attempt, after, READ_LINES)
        yield from page.lines
        if not page.has_more:
            return
        after = page.cursor


def read_tail(runs: RunReader, run_id: str, node: str) -> LogTail:
    """Read the last lines of a node's log, without tracebacks, which the panel shows apart.

    Raises TaskNotFound, StoreError.
    """
    lines = [line for line in _read_all(runs, run_id, node, None) if line.stream != "traceback"]
    return LogTail(tuple(lines[-PANEL_LINES:]), max(0, len(lines) - PANEL_LINES))


@router.get("/runs/{run_id}/log")
def log_page(
    request: Request,
    tenant: Tenant,
    run_id: RunId,
    node: str,
    attempt: Annotated[int | None, Query(ge=1, le=1_000_000)] = None,
    after: Annotated[str | None, Query(max_length=40)] = None,
    download: bool = False,
) -> Response:
    """Show the log of a node, page by page.  `download`: as a text file."""
    view = tenant.folded_runs.view(run_id)
    shown = view.node(node)
    if download:
        lines = _read_all(tenant.folded_runs, run_id, node, attempt)
        return Response(
            "".join([f"{line.plain_text}\n" for line in lines]),
            media_type="text/plain; charset=utf-8",
            headers={"Content-Disposition": 'attachment; filename="log.txt"'},
        )
    page = read_logs(tenant.folded_runs, run_id, node, attempt, after, PAGE_LINES)
    attempts = sorted({one.number for one in shown.attempts})
    return render(
        request, "run/log.html", tenant, section="runs", run=view.info, node=shown.name, attempt=attempt,
        attempts=attempts, log=page, is_first=after is None,
    )  # fmt: skip
