"""Filters and bulk requests, questions, workflows, runners, retention, checks."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from holdwater import DefaultRunner
from holdwater.server.paging import encode_cursor
from tests.server.routes.conftest import GATE, Runs
from tests.suite.waiting import poll_pause


def ids(page: httpx.Response) -> set[str]:
    assert page.status_code == 200, page.text
    return {item["id"] for item in page.json()["items"]}


@pytest.mark.parametrize(
    ("parameters", "found"),
    [
        ({"status": ["failed", "paused"]}, {"failed", "asking"}),
        ({"status": "!completed"}, {"failed", "asking"}),
        ({"workflow": "*s"}, {"completed", "failed", "asking"}),
        ({"workflow": ["s*", "f*"]}, {"completed", "failed"}),
        ({"workflow": "!s*"}, {"failed", "asking"}),
        ({"origin": "code"}, {"completed", "failed", "asking"}),
        ({"origin": "api"}, set()),
        ({"text": "bad gateway"}, {"failed"}),
        ({"label": "env"}, set()),
        ({"since": "2020-01-01T00:00:00Z", "time": "ended"}, {"completed", "failed"}),
        ({"until": "2020-01-01T00:00:00Z"}, set()),
    ],
)
def test_filters(api: httpx.Client, runs: Runs, parameters: dict[str, Any], found: set[str]) -> None:
    assert ids(api.get("/executions", params=parameters)) == {getattr(runs, kind) for kind in found}


@pytest.mark.parametrize("parameters", [{"label": "1=x"}, {"status": "!x"}, {"workflow": "x" * 600}, {"text": "\0"}])
def test_filters_that_cannot_be(api: httpx.Client, parameters: dict[str, Any]) -> None:
    refused = api.get("/executions", params=parameters)
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_request")


def test_many_runs_are_steered_together(api: httpx.Client, runner: DefaultRunner, runs: Runs) -> None:
    held = [runner.submit("held").run_id for _ in range(3)]
    for _ in held:
        GATE.wait_started()
    path = "/executions/bulk"
    paused = api.post(path, json={"verb": "pause", "filter": {"workflow": ["held"]}, "reason": "all"})
    assert paused.json() == {"done": 3, "refused": 0, "refusals": {}, "more": False}
    again = api.post(path, json={"verb": "pause", "ids": [held[0], "nothing"]})
    assert (again.json()["done"], again.json()["refused"]) == (0, 2)
    assert "paused" in again.json()["refusals"][held[0]]
    assert api.post(path, json={"verb": "cancel", "ids": held}).json()["done"] == 3
    for body in ({"verb": "pause"}, {"verb": "pause", "ids": [], "filter": {}}, {"verb": "forget", "ids": []}):
        assert api.post(path, json=body).status_code == 400


def test_questions_of_all_runs(api: httpx.Client, runs: Runs) -> None:
    page = api.get("/questions", params={"count": "true"}).json()
    (question,) = page["items"]
    assert question["execution_id"] == runs.asking
    assert question["workflow_name"] == "articles"
    assert question["value"] == "about tests"
    assert question["answer_schema"] == {"type": "boolean"}
    assert page["counts"] == {"count": 1, "more": False}
    assert api.get("/questions", params={"cursor": "x"}).json()["code"] == "invalid_pagination"
    for forged in ([10**30, "a", 1], [1, "a", 10**30], [-1, "a", 1], [1, "\0", 1], [1, "\ud800", 1], [True, "a", 1]):
        refused = api.get("/questions", params={"cursor": encode_cursor(forged, "questions")})
        assert (refused.status_code, refused.json()["code"]) == (400, "invalid_pagination"), forged


def wait_for_workflow(api: httpx.Client, name: str) -> dict[str, Any]:
    """A runner announces its workflows a moment after it has got them."""
    while (found := api.get(f"/workflows/{name}")).status_code == 404:  # bounded by the test's time-out
        poll_pause()
    body: dict[str, Any] = found.json()
    return body


def test_workflows_are_listed_drawn_and_started(api: httpx.Client, runner: DefaultRunner, runs: Runs) -> None:
    workflow = wait_for_workflow(api, "articles")
    assert workflow["style"] == "graphs"
    assert [task["name"] for task in workflow["tasks"]] == ["draft", "review", "publish"]
    assert workflow["inputs_schema"]["required"] == ["topic"]
    names = [item["name"] for item in api.get("/workflows").json()["items"]]
    assert names == sorted(names)
    first = api.get("/workflows", params={"limit": 1}).json()
    second = api.get("/workflows", params={"limit": 1, "cursor": first["next_cursor"]}).json()
    assert [first["items"][0]["name"], second["items"][0]["name"]] == names[:2]
    assert api.get("/workflows/nothing").json()["code"] == "workflow_not_found"


def test_a_run_is_started_once_for_its_key(api: httpx.Client, runner: DefaultRunner, runs: Runs) -> None:
    wait_for_workflow(api, "articles")
    path, key = "/workflows/articles/execute", {"Idempotency-Key": "articles-1"}
    body = {"context": {"topic": "the api"}, "labels": {"env": "test"}}
    started = api.post(path, json=body, headers={**key, "traceparent": f"00-{'a' * 32}-{'b' * 16}-01"})
    assert started.status_code == 202, started.text
    run_id = started.json()["execution_id"]
    again = api.post(path, json=body, headers=key).json()
    assert (again["execution_id"], again["is_new"]) == (run_id, False)
    conflict = api.post(path, json={"context": {"topic": "another"}}, headers=key)
    assert (conflict.status_code, conflict.json()["code"]) == (409, "idempotency_conflict")
    runner.handle(run_id).result()
    run = api.get(f"/executions/{run_id}").json()
    assert (run["origin"], run["started_by"], run["labels"]) == ("api", "api", {"env": "test"})
    assert run["traceparent"] == f"00-{'a' * 32}-{'b' * 16}-01"
    api.post(f"/executions/{run_id}/cancel")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"context": {}}, "workflow_input_invalid"),
        ({"context": {"topic": 1}}, "workflow_input_invalid"),
        ({"context": {"topic": "x", "other": 1}}, "workflow_input_invalid"),
        ({"context": {"topic": {"$t": "dataclass", "c": "os:system", "v": {}}}}, "value_invalid"),
        ({"context": {"topic": {"$t": "no such tag"}}}, "value_invalid"),
        ({"context": {"topic": "x"}, "labels": {"9": "x"}}, "invalid_request"),
        ({"context": []}, "invalid_request"),
        ({"context": {"topic": "x"}, "timeout_seconds": 0}, "invalid_request"),
    ],
)
def test_inputs_that_do_not_fit(api: httpx.Client, runs: Runs, body: dict[str, Any], code: str) -> None:
    wait_for_workflow(api, "articles")
    refused = api.post("/workflows/articles/execute", json=body)
    assert (refused.status_code, refused.json()["code"]) == (400, code), refused.text
    assert api.post("/workflows/nothing/execute").json()["code"] == "workflow_not_found"


def test_the_doctor_says_what_holds_a_run(api: httpx.Client, runs: Runs) -> None:
    found = api.get(f"/executions/{runs.asking}/doctor").json()["items"]
    assert found[0]["code"]
    assert found[0]["execution_id"] == runs.asking
    assert found[0]["command"][0] == "holdwater"
    assert api.get("/executions/nothing/doctor").status_code == 404
    whole = api.get("/doctor").json()["items"]
    assert {one["severity"] for one in whole} <= {"problem", "warning", "info", "ok"}


def test_the_log_of_a_task(api: httpx.Client, runs: Runs) -> None:
    path = f"/executions/{runs.failed}/tasks/broken/logs"
    page = api.get(path).json()
    assert [line["stream"] for line in page["items"]] == ["traceback"]
    assert "502 Bad Gateway" in page["items"][0]["text"]
    assert api.get(path, params={"after": page["cursor"]}).json()["items"] == []
    assert api.get(path, params={"after": "x"}).json()["code"] == "invalid_request"
    assert api.get(f"/executions/{runs.failed}/tasks/nothing/logs").json()["code"] == "task_not_found"


def test_runners_are_listed(api: httpx.Client, runner: DefaultRunner, runs: Runs) -> None:
    wait_for_workflow(api, "sums")
    runners = api.get("/runners").json()["items"]
    assert [one["status"] for one in runners if "sums" in one["workflows"]] == ["running"]


def test_old_runs_are_counted_and_deleted(api: httpx.Client, runner: DefaultRunner, runs: Runs) -> None:
    run_id = runner.submit("sums").run_id
    runner.handle(run_id).result()
    nothing = api.post("/retention/preview", json={"ended_before": "2020-01-01T00:00:00Z"}).json()
    assert all(one["count"] == 0 for one in nothing["counts"].values())
    everything = {"ended_before": "2999-01-01T00:00:00Z"}
    assert api.post("/retention/preview", json=everything).json()["counts"]["completed"]["count"] >= 2
    kept = [item["id"] for item in api.get("/executions").json()["items"] if item["id"] != run_id]
    assert api.post("/retention/prune", json={**everything, "keep": kept}).json()["pruned"] == 1
    assert api.get(f"/executions/{run_id}").status_code == 404
    assert api.post("/retention/prune", json={"ended_before": "x"}).status_code == 400


def test_the_database_is_checked(api: httpx.Client, runs: Runs) -> None:
    report = api.post("/verify").json()
    assert report["violations"] == 0
    assert report["items"] == []
    assert report["runs"] >= 3
