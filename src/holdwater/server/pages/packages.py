"""Packages: their releases with what is wrong with them, one release, and requests about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from holdwater.drawing.marks import MarkName
from holdwater.model.error_report import error_headline
from holdwater.operations import releases
from holdwater.operations.databases import Database
from holdwater.operations.releases import MAX_OPEN_RUNS, ReleaseInfo
from holdwater.operations.schedule_queries import list_schedules
from holdwater.operations.schedule_views import ScheduleInfo
from holdwater.server.acts import act_and_redirect, page_url, writable_database
from holdwater.server.command_lines import command_line
from holdwater.server.executed_packages import HostFacts
from holdwater.server.notices import Notice
from holdwater.server.pages.schedules import show_schedule
from holdwater.server.rendering import render, render_fragment
from holdwater.server.tenant_database import Tenant, TenantDatabase

router = APIRouter()

PAGE_RELEASES: Final = 200
"""releases that are listed; more, of packages by name, are on the next page"""
LISTED_SCHEDULES: Final = 1_000
MOVING: Final = ("registering", "draining")
"""states that change by themselves"""
_MARKS: Final[dict[str, MarkName]] = {
    "registering": "running",
    "active": "completed",
    "inactive": "pending",
    "broken": "failed",
    "draining": "paused",
    "gone": "cancelled",
}


@dataclass(frozen=True, slots=True)
class ShownRelease:
    """A release with what a page says of it.  `hosts`: its processes, if this process has started them."""

    info: ReleaseInfo
    hosts: tuple[HostFacts, ...]

    @property
    def mark(self) -> MarkName:
        """The mark of its state."""
        return _MARKS[self.info.state]

    @property
    def state_word(self) -> str:
        """Its state in a word."""
        return self.info.state.capitalize()

    @property
    def error_line(self) -> str:
        """The line of its error that says what was raised, without the traceback and the hint."""
        return error_headline(self.info.error or "")

    @property
    def has_traceback(self) -> bool:
        return len((self.info.error or "").strip().splitlines()) > 1

    @property
    def open_runs_text(self) -> str:
        """The number of its open runs; a plus sign stands for more."""
        count = self.info.open_runs
        return f"{count:,}{'+' if count >= MAX_OPEN_RUNS else ''}"


def _show(info: ReleaseInfo, hosts: tuple[HostFacts, ...]) -> ShownRelease:
    return ShownRelease(info, tuple([host for host in hosts if host.release == info.release]))


@router.get("/packages")
def packages_page(request: Request, tenant: Tenant, after: str = "", fragment: str = "") -> HTMLResponse:
    """Show the releases by package.  `after`: the release at the end of the page before."""
    hosts = tuple(tenant.executed.hosts())
    found = [info for info in releases.list_releases(tenant.database) if info.state != "gone"]
    first = next((k + 1 for k, info in enumerate(found) if info.release == after), 0)
    shown = [_show(info, hosts) for info in found[first : first + PAGE_RELEASES]]
    values: dict[str, Any] = {
        "section": "packages",
        "releases": shown,
        "errors": [one for one in shown if one.info.error],
        "rejected": tuple(tenant.executed.rejected()),
        "hosts": hosts,
        "takes_uploads": tenant.executed.uploads is not None,
        "is_moving": any(one.info.state in MOVING for one in shown),
        "after": after,
        "more": shown[-1].info.release if len(found) > first + PAGE_RELEASES else None,
    }
    if fragment == "rows":
        return render_fragment(request, "packages/rows.html", tenant, **values)
    return render(request, "packages/list.html", tenant, **values)


@router.get("/packages/{release}")
def release_page(request: Request, tenant: Tenant, release: str, fragment: str = "") -> HTMLResponse:
    """Show a release with its workflows, the schedules of its package, its processes, and its error."""
    database = tenant.database
    info = releases.get_release(database, release)
    others = [one for one in releases.list_releases(database, info.package) if one.release != info.release]
    values: dict[str, Any] = {
        "section": "packages",
        "release": _show(info, tuple(tenant.executed.hosts())),
        "others": [_show(one, ()) for one in others],
        "schedules": [show_schedule(database, one) for one in _schedules_of(database, info)],
        "is_moving": info.state in MOVING,
        "commands": {
            "activate": command_line(tenant, "package", "activate", info.package, info.version),
            "remove": command_line(tenant, "package", "remove", info.package, info.version),
        },
    }
    if fragment == "facts":
        return render_fragment(request, "packages/facts.html", tenant, **values)
    return render(request, "packages/show.html", tenant, **values)


def _schedules_of(database: Database, info: ReleaseInfo) -> list[ScheduleInfo]:
    """List the schedules and triggers that came with a package: their names begin with that of the package."""
    found = list_schedules(database, limit=LISTED_SCHEDULES)
    return [one for one in found if (one.name or "").startswith(f"{info.package}/")]


# -- acts


@router.post("/packages/{release}/activate")
def activate(request: Request, tenant: Tenant, release: str) -> Response:
    """Make it the active release of its package."""
    return _act(
        request, tenant, release, releases.activate_release,
        "New runs take {name}, whatever version comes later. Open runs keep the release they have.",
    )  # fmt: skip


@router.post("/packages/{release}/unpin")
def unpin(request: Request, tenant: Tenant, release: str) -> Response:
    """Let the highest version of its package be active again."""
    return _act(
        request, tenant, release, releases.unpin_release,
        "The highest version of its package that was registered well is active from now on.",
    )  # fmt: skip


@router.post("/packages/{release}/retry")
def retry(request: Request, tenant: Tenant, release: str) -> Response:
    """Register a broken release again."""
    return _act(request, tenant, release, releases.retry_release, "{name} is registered again in a moment.")


@router.post("/packages/{release}/remove")
def remove(request: Request, tenant: Tenant, release: str) -> Response:
    """Start nothing more of it."""
    return _act(
        request, tenant, release, releases.remove_release,
        "{name} starts nothing more. It is gone when its last open run has ended.",
    )  # fmt: skip


def _act(
    request: Request,
    tenant: TenantDatabase,
    release: str,
    act: Callable[[Database, str], ReleaseInfo],
    text: str,
) -> Response:
    """Change a release, and go back to its page.  `text`: of the notice, with `{name}`."""

    def change() -> Notice:
        info = act(writable_database(tenant), release)
        return Notice(text.format(name=info.reference), "ok")

    url = page_url(request, tenant, f"/packages/{release}")
    return act_and_redirect(request, url, change, failed_url=page_url(request, tenant, "/packages"))
