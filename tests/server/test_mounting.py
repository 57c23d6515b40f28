"""The application, mounted in another one that decides who may do what."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.requests import Request

from holdwater import DefaultRunner
from holdwater.server import app_for
from tests.server.live import Live, serve_app
from tests.server.streams.sse import open_stream
from tests.suite.runners import Define, Gate

SAME_SITE = {"sec-fetch-site": "same-origin"}


def role_of(request: Request) -> Any:
    """The role a request asks for, as an application would find it in its own session."""
    return request.headers.get("x-role")


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[DefaultRunner]:
    with DefaultRunner(f"sqlite:///{tmp_path}/runs.db") as opened:
        yield opened


def mount(inner: FastAPI) -> FastAPI:
    outer = FastAPI()
    outer.mount("/apps/flows", inner)
    outer.state.tenants = inner.state.tenants
    return outer


@pytest.fixture
def live(runner: DefaultRunner) -> Iterator[Live]:
    with serve_app(mount(app_for(runner, access=role_of))) as served:
        yield served


def client_of(live: Live, role: str, **options: Any) -> httpx.Client:
    return httpx.Client(base_url=f"{live.origin}/apps/flows", headers={"x-role": role}, timeout=20, **options)


def test_the_function_decides(live: Live) -> None:
    with client_of(live, "read") as reader, client_of(live, "write") as writer, live.stranger() as stranger:
        assert stranger.get("/apps/flows/ui/public/runs").status_code == 401
        hint = stranger.get("/apps/flows/v1/tenants/public/executions").json()["hint"]
        assert hint == "sign in to the application that this is a part of"
        assert reader.get("/ui/public/runs").status_code == 200
        path = "/v1/tenants/public/executions/nothing/cancel"
        refused = reader.post(path, headers=SAME_SITE)
        assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_permissions")
        assert writer.post(path, headers=SAME_SITE).json()["code"] == "execution_not_found"
        assert writer.post(path, headers={"origin": "http://evil.example"}).json()["code"] == "cross_site"
        from_a_program = writer.post(path).json()
        assert (from_a_program["code"], "Sec-Fetch-Site: same-origin" in from_a_program["hint"]) == ("cross_site", True)
        assert writer.post(path).json()["code"] == "cross_site"


def test_a_reader_changes_nothing_whatever_it_is_called(live: Live) -> None:
    """`POST /ui/public/preferences` is a reader's to send; a schedule of that name is not to change."""
    path = "/v1/tenants/public/triggers/preferences"
    created = {
        "name": "preferences",
        "workflow_name": "anything",
        "cron_expression": "0 0 * * *",
        "allow_unknown": True,
    }
    with client_of(live, "read") as reader, client_of(live, "write") as writer:
        writer.post("/v1/tenants/public/triggers", json=created, headers=SAME_SITE).raise_for_status()
        for refused in (
            reader.delete(path, headers=SAME_SITE),
            reader.patch(path, json={"timezone": "Asia/Tokyo"}, headers=SAME_SITE),
            reader.delete("/ui/public/preferences", headers=SAME_SITE),
        ):
            assert refused.status_code == 403
        assert reader.get(path).json()["timezone"] == "UTC"


def test_an_answer_that_is_no_role_is_an_error_of_the_server(live: Live) -> None:
    with client_of(live, "god") as client:
        assert client.get("/v1/tenants/public/executions").json()["code"] == "internal_error"


def test_the_function_may_be_async(runner: DefaultRunner) -> None:
    async def access(request: Request) -> Any:
        return role_of(request)

    with serve_app(mount(app_for(runner, access=access))) as live, client_of(live, "read") as client:
        assert client.get("/v1/tenants/public/executions").status_code == 200


def test_every_link_is_below_the_mount(live: Live, runner: DefaultRunner, define: Define) -> None:
    run_id = runner.submit(define("mounted", ("one", lambda context: None, {}))).run_id
    runner.handle(run_id).result()
    with client_of(live, "write", follow_redirects=True) as client:
        home = client.get("/")
        assert home.url.path == "/apps/flows/ui/public/runs"
        for path in ("/ui/public/runs", f"/ui/public/runs/{run_id}", "/ui/public/schedules", "/docs", "/ui/nothing"):
            page = client.get(path).text
            links = re.findall(r'(?:href|src|action|data-[a-z-]+)="(/[^"]*)"', page)
            assert links
            assert [link for link in links if not f"{link}/".startswith("/apps/flows/")] == [], path
        for link in set(re.findall(r'(?:href|src)="(/apps/flows/static/[^"]*)"', home.text)):
            assert client.get(link.removeprefix("/apps/flows")).status_code == 200
        document = client.get("/openapi.json").json()
        assert document["servers"] == [{"url": "/apps/flows"}]


def test_forms_prove_where_they_come_from_without_a_session(live: Live) -> None:
    path, back = "/ui/public/preferences", {"back": "/apps/flows/ui/public/runs", "theme": "dark", "times": "utc"}
    with client_of(live, "write") as client, client_of(live, "write") as other:
        page = client.get("/ui/public/runs")
        cookie = page.headers["set-cookie"]
        assert "Path=/apps/flows" in cookie
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        token = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
        assert token is not None
        assert client.get("/ui/public/runs").headers.get("set-cookie") is None
        assert client.post(path, data={**back, "csrf_token": token[1]}, headers=SAME_SITE).status_code == 303
        assert client.post(path, data=back, headers=SAME_SITE).status_code == 403
        assert other.post(path, data={**back, "csrf_token": token[1]}, headers=SAME_SITE).status_code == 403


def test_commits_of_the_mounted_runner_are_streamed(
    live: Live, runner: DefaultRunner, define: Define, gate: Gate
) -> None:
    name = define("held", ("one", lambda context: None, {}), ("two", lambda context: gate(), {"dependencies": ["one"]}))
    with client_of(live, "read") as client, open_stream(client, "/v1/tenants/public/stream") as hints:
        run_id = runner.submit(name).run_id
        gate.wait_started()
        hints.wait_for("run", id=run_id, status="running")
        with open_stream(client, f"/v1/tenants/public/executions/{run_id}/stream") as events:
            events.wait_for("task_completed", task_name="one")
            gate.open.set()
            events.wait_for("end")
        hints.wait_for("run", id=run_id, status="completed")


def test_a_database_is_mounted_by_its_url(runner: DefaultRunner, tmp_path: Path) -> None:
    inner = app_for(f"sqlite:///{tmp_path}/runs.db", access=lambda request: "write", read_only=True)
    with serve_app(mount(inner)) as live, client_of(live, "write") as client:
        refused = client.post("/v1/tenants/public/executions/nothing/cancel", headers=SAME_SITE)
        assert (refused.status_code, refused.json()["code"]) == (403, "read_only")
    inner.state.tenants.close()


def test_what_is_no_runner_is_refused() -> None:
    with pytest.raises(TypeError, match="a runner or the URL"):
        app_for(42, access=lambda request: "read")
