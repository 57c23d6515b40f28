"""Schedules and triggers by the API."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.server.routes.conftest import Runs

NIGHTLY = {
    "name": "nightly",
    "workflow_name": "sums",
    "cron_expression": "30 2 * * *",
    "timezone": "Europe/Berlin",
    "context": {"amount": 3},
    "catchup": "skip",
    "overlap": "queue",
    "jitter_seconds": 5.0,
    "start_at": "2027-03-27T00:00:00Z",
    "allow_unknown": True,
}


@pytest.fixture
def nightly(api: httpx.Client, runs: Runs) -> dict[str, Any]:
    api.delete("/triggers/nightly")
    created = api.post("/triggers", json=NIGHTLY)
    assert created.status_code == 201, created.text
    found: dict[str, Any] = created.json()
    return found


def test_a_schedule_from_its_creation_to_its_deletion(api: httpx.Client, nightly: dict[str, Any]) -> None:
    assert nightly["context"] == {"amount": 3}
    assert (nightly["overlap"], nightly["enabled"], nightly["recent_executions"]) == ("queue", True, [])
    assert api.get(f"/triggers/{nightly['id']}").json() == api.get("/triggers/nightly").json() == nightly
    listed = [one["trigger_name"] for one in api.get("/triggers").json()["items"]]
    assert listed.count("nightly") == 1
    paused = api.post("/triggers/nightly/pause").json()
    assert (paused["enabled"], paused["next_run_at"]) == (False, None)
    assert api.post("/triggers/nightly/resume").json()["enabled"]
    assert api.post("/triggers/nightly/fire").status_code == 200
    history = api.get("/triggers/nightly/history").json()
    assert history["items"][0]["state"] in ("requested", "started")
    assert api.delete("/triggers/nightly").json() == {"status": "deleted", "name": "nightly"}
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/fire"), ("GET", "/history"), ("PATCH", "")):
        refused = api.request(method, f"/triggers/nightly{path}", json={} if method == "PATCH" else None)
        assert (refused.status_code, refused.json()["code"]) == (404, "trigger_not_found")


def test_the_next_fires_say_what_the_clock_does(api: httpx.Client, nightly: dict[str, Any]) -> None:
    found = api.get("/triggers/nightly/next", params={"count": 3}).json()
    assert "02:30" in found["words"]
    assert [bool(one["note"]) for one in found["items"]] == [False, True, False]


def test_changes_leave_the_rest_as_it_is(api: httpx.Client, nightly: dict[str, Any]) -> None:
    changed = api.patch("/triggers/nightly", json={"cron_expression": "0 3 * * *"}).json()
    assert changed["cron_expression"] == "0 3 * * *"
    kept = ("timezone", "context", "overlap", "catchup", "jitter_seconds", "start_at", "id", "created_at")
    assert {name: changed[name] for name in kept} == {name: nightly[name] for name in kept}
    cleared = api.patch("/triggers/nightly", json={"context": None, "start_at": None, "overlap": None}).json()
    assert (cleared["context"], cleared["start_at"], cleared["overlap"]) == (None, None, "allow")
    assert cleared["cron_expression"] == "0 3 * * *"


def test_a_name_is_taken_once(api: httpx.Client, nightly: dict[str, Any]) -> None:
    refused = api.post("/triggers", json=NIGHTLY)
    assert (refused.status_code, refused.json()["code"]) == (409, "trigger_exists")


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"cron_expression": "61 * * * *"}, 400),
        ({"cron_expression": "x" * 1001}, 400),
        ({"timezone": "../../etc/passwd"}, 400),
        ({"timezone": "Mars/Base"}, 400),
        ({"overlap": "maybe"}, 400),
        ({"jitter_seconds": -1}, 400),
        ({"start_at": "tomorrow"}, 400),
        ({"unknown": 1}, 400),
        ({"workflow_name": "nothing", "allow_unknown": False}, 404),
        ({"name": ""}, 400),
        ({"name": "x\0"}, 400),
    ],
)
def test_schedules_that_cannot_be(api: httpx.Client, runs: Runs, changes: dict[str, Any], status: int) -> None:
    refused = api.post("/triggers", json={**NIGHTLY, "name": "wrong", **changes})
    assert refused.status_code == status, refused.text
    assert refused.json()["code"]
    assert api.get("/triggers/wrong").status_code == 404
