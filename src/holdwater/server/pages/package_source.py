"""The files of a release, for reading."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from holdwater.errors import PackageError, ReleaseNotFound
from holdwater.operations.releases import get_release
from holdwater.packages.settings import ArchiveLimits
from holdwater.server.package_sources import SourceText, read_package_source
from holdwater.server.rendering import render
from holdwater.server.tenant_database import Tenant

router = APIRouter()

MAX_LINES: Final = 5_000
"""of a file, that are shown"""
_FIRST: Final = (".py", ".toml", ".json", ".md")
"""endings of files that are shown without a choice, in this order"""


@router.get("/packages/{release}/source")
def source_page(request: Request, tenant: Tenant, release: str, file: str = "") -> HTMLResponse:
    """Show the files of a release, and the text of one.  `file`: its path, else one is chosen."""
    info = get_release(tenant.database, release)
    row = tenant.database.store.get_release(info.release)
    files: list[SourceText] = []
    problem = ""
    try:
        if row is not None:
            files = read_package_source(tenant.database, row, ArchiveLimits())
    except (PackageError, ReleaseNotFound) as error:
        problem = f"{error.message}. {error.hint}" if error.hint else error.message
    chosen = next((one for one in files if one.path == file), None) or (None if file else _first_of(files))
    lines = [] if chosen is None or chosen.text is None else chosen.text.splitlines()
    return render(
        request, "packages/source.html", tenant, section="packages", info=info, files=files, chosen=chosen,
        lines=lines[:MAX_LINES], hidden_lines=max(0, len(lines) - MAX_LINES), problem=problem, wanted=file,
    )  # fmt: skip


def _first_of(files: list[SourceText]) -> SourceText | None:
    texts = [one for one in files if one.text is not None]
    code = [one for ending in _FIRST for one in texts if one.path.endswith(ending) and one.size]
    return next(iter(code or texts), None)
