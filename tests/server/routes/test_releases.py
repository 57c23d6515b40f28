"""Releases of packages by the API."""

from __future__ import annotations

import httpx
import pytest

from holdwater import DefaultRunner
from holdwater.operations.databases import Database
from tests.server.routes.conftest import api
from tests.suite.releases import TRACEBACK, put_release

__all__ = ["api"]


@pytest.fixture(scope="module")
def releases(runner: DefaultRunner) -> dict[str, str]:
    database = Database.of(runner._engine)
    found = {"1.0": put_release(database, "orders", "1.0", "inactive"), "1.1": put_release(database, "orders", "1.1")}
    found["broken"] = put_release(database, "orders", "1.2", "broken", error=TRACEBACK, attempts=2)
    found["other"] = put_release(database, "invoices", "3", "inactive")
    return found


def test_pages_of_a_list(api: httpx.Client, releases: dict[str, str]) -> None:
    first = api.get("/releases", params={"limit": 3}).json()
    assert [one["package_name"] for one in first["items"]] == ["invoices", "orders", "orders"]
    rest = api.get("/releases", params={"limit": 3, "cursor": first["next_cursor"]}).json()
    assert [one["version"] for one in rest["items"]] == ["1.0"]
    assert rest["next_cursor"] is None
    named = api.get("/releases", params={"package": "orders"}).json()
    assert [one["version"] for one in named["items"]] == ["1.2", "1.1", "1.0"]
    wrong = api.get("/releases", params={"package": "orders", "cursor": first["next_cursor"]})
    assert (wrong.status_code, wrong.json()["code"]) == (400, "invalid_pagination")


def test_one_with_what_is_wrong(api: httpx.Client, releases: dict[str, str]) -> None:
    found = api.get(f"/releases/{releases['broken']}").json()
    assert (found["state"], found["error"], found["attempts"]) == ("broken", TRACEBACK, 2)
    assert found["open_runs"] == {"count": 0, "more": False}
    missing = api.get(f"/releases/{'0' * 16}")
    assert (missing.status_code, missing.json()["code"]) == (404, "release_not_found")


def test_requests(api: httpx.Client, releases: dict[str, str]) -> None:
    assert api.post(f"/releases/{releases['1.0']}/activate").json()["pinned"] is True
    assert api.post(f"/releases/{releases['1.0']}/unpin").json()["pinned"] is False
    assert api.post(f"/releases/{releases['broken']}/retry").status_code == 202
    refused = api.post(f"/releases/{releases['broken']}/activate")
    assert (refused.status_code, refused.json()["code"]) == (409, "release_broken")
    assert api.delete(f"/releases/{releases['other']}").json()["state"] == "draining"
    assert api.post(f"/releases/{releases['other']}/activate").json()["code"] == "release_draining"
    assert api.post(f"/releases/{releases['other']}/retry").json()["code"] == "invalid_transition"
