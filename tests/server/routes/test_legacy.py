"""Answers as clients of Cloacina's server, version 0.5.1 and later, expect them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from holdwater import DefaultRunner
from holdwater.model.ids import new_run_id
from holdwater.model.time import Micros
from holdwater.server.routes.not_offered import NOT_OFFERED
from tests.server.live import Live, serve_database
from tests.server.routes.conftest import API, Runs

NIGHTLY = {"name": "nightly", "workflow_name": "sums", "cron_expression": "30 2 * * *", "context": {"amount": 3}}
UNKNOWN = new_run_id(Micros(1))


@pytest.fixture(scope="module")
def legacy(database_url: str, runner: DefaultRunner) -> Iterator[Live]:
    """Serves the database of the module with `legacy_lists`."""
    with serve_database(database_url, legacy_lists=True) as served:
        yield served


@pytest.fixture(scope="module")
def api(legacy: Live) -> Iterator[httpx.Client]:
    with legacy.client() as client:
        client.base_url = httpx.URL(f"{legacy.origin}{API}")
        yield client


@pytest.fixture(scope="module", autouse=True)
def nightly(api: httpx.Client, runs: Runs) -> dict[str, Any]:
    created = api.post("/triggers", json={**NIGHTLY, "allow_unknown": True})
    assert created.status_code == 201, created.text
    found: dict[str, Any] = created.json()
    return found


@pytest.mark.parametrize(
    ("path", "name", "fields"),
    [
        ("/executions", "executions", "id workflow_name status started_at completed_at trigger_origin"),
        ("/executions/{completed}/events", "events", "id event_type event_data created_at sequence_num task_name"),
        (
            "/executions/{failed}/tasks",
            "tasks",
            "id task_name status sub_status attempt max_attempts created_at updated_at started_at completed_at "
            "last_error error_details",
        ),
        (
            "/triggers",
            "schedules",
            "id schedule_type workflow_name enabled paused cron_expression trigger_name poll_interval_ms next_run_at "
            "last_run_at created_at",
        ),
        ("/workflows", "workflows", ""),
    ],
)
def test_lists_have_two_names(api: httpx.Client, live: Live, runs: Runs, path: str, name: str, fields: str) -> None:
    path = path.format(completed=runs.completed, failed=runs.failed)
    answer = api.get(path)
    page = answer.json()
    assert page[name] == page["items"]
    assert page["total"] == len(page["items"]) > 0
    assert page["tenant_id"] == "public"
    assert set(fields.split()) <= page["items"][0].keys()
    with live.client() as client:  # of a server without them
        ours = client.get(f"{API}{path}").json()
    assert (name in ours) == (name in ("events", "tasks"))
    if name != "workflows":  # another runner may announce one meanwhile
        assert ours["items"] == page["items"]


def test_a_compressed_list_has_two_names_as_well(api: httpx.Client, runs: Runs) -> None:
    answer = api.get(f"/executions/{runs.completed}/events", headers={"accept-encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.json()["events"] == answer.json()["items"]


def test_what_an_event_says_is_a_text_too(api: httpx.Client, runs: Runs) -> None:
    events = api.get(f"/executions/{runs.completed}/events").json()["events"]
    for event in events:
        assert (json.loads(event["event_data"]) if event["event_data"] else {}) == event["data"]
    assert events[-1]["event_type"] == "workflow_completed"
    assert [event["sequence_num"] for event in events] == sorted(event["sequence_num"] for event in events)


def test_tasks_count_their_attempts(api: httpx.Client, runs: Runs) -> None:
    broken, never = api.get(f"/executions/{runs.failed}/tasks").json()["tasks"]
    assert (broken["status"], broken["attempt"], broken["last_error"]) == ("failed", 1, broken["error"])
    assert broken["max_attempts"] >= 1
    assert "Bad Gateway" in broken["error_details"]
    assert (never["status"], never["attempt"], never["started_at"], never["sub_status"]) == ("skipped", 1, None, None)


@pytest.mark.parametrize("word", ["Completed", "completed", "COMPLETED"])
def test_words_for_a_status(api: httpx.Client, runs: Runs, word: str) -> None:
    found = {one["status"] for one in api.get("/executions", params={"status": word}).json()["executions"]}
    assert found == {"completed"}
    without = api.get("/executions", params={"status": f"!{word}"}).json()["executions"]
    assert "completed" not in {one["status"] for one in without}


@pytest.mark.parametrize("word", ["Pending", "Scheduled", "Running"])
def test_a_run_that_has_not_begun_is_running(api: httpx.Client, runs: Runs, word: str) -> None:
    assert (
        api.get("/executions", params={"status": word}).json()
        == api.get("/executions", params={"status": "running"}).json()
    )


def test_a_started_run_is_scheduled(api: httpx.Client, runs: Runs) -> None:
    body = {"context": {"amount": 4}}
    started = api.post("/workflows/sums/execute", json=body, headers={"idempotency-key": "once"})
    assert started.status_code == 202
    found = started.json()
    assert (found["status"], found["workflow_name"], found["tenant_id"]) == ("scheduled", "sums", "public")
    again = api.post("/workflows/sums/execute", json=body, headers={"idempotency-key": "once"}).json()
    assert again["execution_id"] == found["execution_id"]
    assert again["status"] in ("running", "completed")


def test_a_trigger_with_its_schedule(api: httpx.Client, nightly: dict[str, Any]) -> None:
    found = api.get("/triggers/nightly").json()
    assert found["schedule"].items() <= found.items()
    assert found["schedule"]["trigger_name"] == "nightly"
    paused = api.post("/triggers/nightly/pause").json()
    assert (paused["status"], paused["paused"], paused["name"], paused["tenant_id"]) == (
        "paused", True, "nightly", "public",
    )  # fmt: skip
    resumed = api.post("/triggers/nightly/resume").json()
    assert (resumed["status"], resumed["paused"], resumed["id"]) == ("resumed", False, nightly["id"])


def test_a_trigger_is_fired(api: httpx.Client, runner: DefaultRunner, nightly: dict[str, Any]) -> None:
    """With an event a run is started with its values; without one a runner starts it, and the history has it."""
    fired = api.post("/triggers/nightly/fire", json={"event": {"amount": 5}})
    assert fired.status_code == 200, fired.text
    found = fired.json()
    assert (found["trigger"], found["fired"], found["tenant_id"]) == ("nightly", 1, "public")
    (run,) = found["executions"]
    assert run["workflow_name"] == "sums"
    detail = api.get(f"/executions/{run['execution_id']}", params={"context": True}).json()
    assert (detail["inputs"], detail["origin"]) == ({"amount": 5}, "cron")
    assert (detail["trigger_origin"], detail["started_by"]) == ("nightly", "schedule:nightly")
    by_hand = api.post("/triggers/nightly/fire", json={}).json()
    assert by_hand["fired"] == 1
    # a runner that is busy starts it later
    assert [one["workflow_name"] for one in by_hand["executions"]] in ([], ["sums"])
    (fire,) = api.get("/triggers/nightly").json()["recent_executions"]
    assert fire["id"].startswith(nightly["id"])
    assert {"scheduled_time", "started_at", "completed_at"} <= fire.keys()


def test_a_fire_takes_values_and_no_classes(api: httpx.Client) -> None:
    refused = api.post("/triggers/nightly/fire", json={"event": {"x": {"$t": "enum", "c": "os:x", "v": "y"}}})
    assert (refused.status_code, refused.json()["code"]) == (400, "value_invalid")
    refused = api.post("/triggers/nightly/fire", json={"events": {}})
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_request")


def test_runs_that_are_not_there(api: httpx.Client, live: Live) -> None:
    """What is no UUID is a bad request; an unknown one has no events, and is not found otherwise."""
    assert api.get(f"/executions/{UNKNOWN}/events").json()["events"] == []
    missing = api.get(f"/executions/{UNKNOWN}")
    assert (missing.status_code, missing.json()["code"]) == (404, "execution_not_found")
    for path in ("", "/events", "/tasks"):
        malformed = api.get(f"/executions/not-an-id{path}")
        assert (malformed.status_code, malformed.json()["code"]) == (400, "execution_not_found")
    with live.client() as client:
        assert client.get(f"{API}/executions/not-an-id").status_code == 404
        assert client.get(f"{API}/executions/{UNKNOWN}/events").status_code == 404


def test_pages_and_their_bounds(api: httpx.Client, runs: Runs) -> None:
    first, second = [api.get("/executions", params={"limit": 1, "offset": n}).json() for n in (0, 1)]
    assert (first["total"], second["total"]) == (1, 1)
    assert first["items"] != second["items"]
    for wrong in ({"limit": 0}, {"limit": 1001}, {"offset": -1}, {"cursor": "?"}):
        refused = api.get("/executions", params=wrong)
        assert (refused.status_code, refused.json()["code"]) == (400, "invalid_pagination"), wrong


@pytest.mark.parametrize("kind", ["graphs", "accumulators", "reactors"])
def test_graphs_that_wait_for_events(legacy: Live, kind: str) -> None:
    with legacy.client() as client:
        assert client.get(f"/v1/health/{kind}").json() == {"total": 0, "items": [], kind: []}


@pytest.mark.parametrize("one", NOT_OFFERED, ids=lambda one: one.path)
def test_what_is_not_offered_says_what_is(legacy: Live, one: Any) -> None:
    path = one.path.format(tenant="public", name="x", account="1", instance="1")
    with legacy.client() as client, legacy.stranger() as stranger:
        for method in one.methods:
            answer = client.request(method, path)
            assert (answer.status_code, answer.json()["code"]) == (one.status, one.code)
            assert answer.json()["hint"] == one.hint
            assert stranger.request(method, path).status_code == 401


def test_what_is_nowhere_has_a_code(legacy: Live) -> None:
    with legacy.client() as client:
        answer = client.get("/v1/no/such/path")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
