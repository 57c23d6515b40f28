"""Every route that acts, for a caller that may only read, and on a database that is only read."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI

from holdwater import DefaultRunner
from holdwater.model.releases import ReleaseRow
from holdwater.model.time import add_seconds
from holdwater.operations.bulk_jobs import SelectedRuns, create_bulk_job
from holdwater.operations.databases import Database
from holdwater.operations.schedules import register_cron
from holdwater.server import app_for
from holdwater.server.access import CSRF_COOKIE
from holdwater.server.pages import PAGE_ROUTERS
from tests.server.live import serve_app
from tests.suite.runners import Define

SAME_SITE = {"sec-fetch-site": "same-origin"}
CSRF = "x" * 43
READING = {"verify_database", "preview_retention", "preview_bulk"}
"""operations that have a body, or take long, and change nothing"""
TABLES = ("runs", "journal", "schedules", "bulk_jobs", "settings")
BODIES: dict[str, Any] = {
    "create_trigger": {"name": "new", "workflow_name": "w", "cron_expression": "* * * * *", "allow_unknown": True},
    "change_trigger": {"timezone": "Asia/Tokyo"},
    "fork_execution": {"from_task": "one"},
    "answer_execution": {"value": 1},
    "prune_executions": {"ended_before": "2999-01-01T00:00:00Z"},
    "preview_bulk": {"ids": ["x"]},
    "start_bulk": {"verb": "retry", "ids": ["x"]},
    "set_retention": {"days": 3},
    "preview_retention": {"ended_before": "2999-01-01T00:00:00Z"},
}


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[DefaultRunner]:
    with DefaultRunner(f"sqlite:///{tmp_path}/runs.db") as opened:
        yield opened


RELEASE = "0123456789abcdef"


@pytest.fixture
def names(runner: DefaultRunner, define: Define) -> dict[str, str]:
    """Values of the parameters of paths, of things that are there."""
    workflow = define("w", ("one", lambda context: None, {}))
    handle = runner.submit(workflow)
    handle.result()
    schedule_id = register_cron(Database.of(runner._engine), workflow, "0 0 * * *", name="nightly")
    bulk_id = create_bulk_job(Database.of(runner._engine), "retry", SelectedRuns((handle.run_id,))).id
    now = runner._engine.clock.now()  # another process has it: the server of this database would execute it
    assert runner._engine.store.claim_bulk_job(bulk_id, "another process", now, add_seconds(now, 3600))
    assert runner._engine.store.put_release(ReleaseRow(RELEASE, RELEASE * 4, "orders", "1.0", state="active"))
    return {
        "tenant": "public",
        "release": RELEASE,
        "task": "one",
        "run_id": handle.run_id,
        "schedule_id": schedule_id,
        "workflow": workflow,
        "bulk_id": bulk_id,
        "version": "1.0",
        "key": "openai",
        "key_id": "0" * 12,
        "fingerprint": "ab" * 16,
    }


def rows_of(path: Path) -> list[Any]:
    connection = sqlite3.connect(path)
    try:
        return [connection.execute(f"SELECT * FROM {table}").fetchall() for table in TABLES]
    finally:
        connection.close()


def acting_operations(app: FastAPI, names: dict[str, str]) -> list[tuple[str, str, str]]:
    """The operations of the API that are no GET: method, path and name."""
    found = []
    for template, operations in app.openapi()["paths"].items():
        of_workflow = "orders" if "{version}" in template else names["workflow"]
        own = {**names, "name": of_workflow if "/workflows/" in template else "nightly"}
        path = template.format_map(own)
        found += [(method, path, one["operationId"]) for method, one in operations.items() if method != "get"]
    assert len(found) >= 17
    return found


def acting_pages(routers: Any, names: dict[str, str]) -> list[str]:
    """The paths of pages that take forms."""
    found: list[str] = []
    for router in routers:
        for route in router.routes:
            inner = getattr(route, "original_router", None)
            if isinstance(inner, APIRouter):
                found += acting_pages([inner], names)
            elif "POST" in route.methods:
                own = {**names, "name": names["workflow"]}
                path = route.path.format_map(own)
                found.append(f"/ui/public{path}")
    return found


def test_a_reader_changes_nothing(runner: DefaultRunner, names: dict[str, str], tmp_path: Path) -> None:
    app = app_for(runner, access=lambda request: "read")
    before = rows_of(tmp_path / "runs.db")
    with serve_app(app) as live, live.stranger(headers=SAME_SITE, cookies={CSRF_COOKIE: CSRF}) as client:
        for method, path, name in acting_operations(app, names):
            refused = client.request(method, path, json=BODIES.get(name))
            if name in READING - {"verify_database"}:
                assert refused.status_code == 200, path
                continue
            assert refused.status_code == 403, path
            assert refused.json()["code"] in ("insufficient_permissions", "admin_required"), path
        pages = acting_pages(PAGE_ROUTERS, names)
        assert len(pages) >= 17
        for path in pages:
            posted = client.post(path, data={"csrf_token": CSRF, "theme": "dark", "times": "utc"})
            assert posted.status_code == (
                303 if path in ("/ui/public/preferences", "/ui/public/columns", "/ui/public/views") else 403
            ), path
    assert rows_of(tmp_path / "runs.db") == before


def test_a_database_that_is_only_read_is_not_changed(
    runner: DefaultRunner, names: dict[str, str], tmp_path: Path
) -> None:
    app = app_for(runner, access=lambda request: "write", read_only=True)
    before = rows_of(tmp_path / "runs.db")
    with serve_app(app) as live, live.stranger(headers=SAME_SITE, cookies={CSRF_COOKIE: CSRF}) as client:
        for method, path, name in acting_operations(app, names):
            answer = client.request(method, path, json=BODIES.get(name))
            if name in READING:
                assert answer.status_code == 200, path
            elif name == "upload_package":
                assert answer.json()["code"] == "uploads_not_taken", path
            else:
                assert answer.status_code == 403, (path, answer.text)
                assert answer.json()["code"] in ("read_only", "admin_required"), (path, answer.text)
        for path in acting_pages(PAGE_ROUTERS, names):
            form = {"csrf_token": CSRF, "days": "1", "verb": "retry", "run": names["run_id"], "from_task": "one"}
            assert client.post(path, data=form).status_code < 500, path
    assert rows_of(tmp_path / "runs.db") == before
