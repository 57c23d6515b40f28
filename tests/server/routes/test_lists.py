"""Filters and bulk requests, questions, workflows, runners, retention, checks."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from holdwater import DefaultRunner
from holdwater.server.paging import encode_cursor
from tests.server.live import Live
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


def bulk(api: httpx.Client, live: Live, **body: Any) -> dict[str, Any]:
    """Have a bulk job done, and return it."""
    started = api.post("/executions/bulk", json=body)
    assert started.status_code == 202, started.text
    assert live.app.state.tenants.only.bulk_worker.wait_idle(20)
    done: dict[str, Any] = api.get(f"/bulk/{started.json()['bulk_id']}").json()
    assert done["matched"] == started.json()["matched"] == done["done"] + done["refused"]
    return done


def test_many_runs_are_steered_together(api: httpx.Client, live: Live, runner: DefaultRunner, runs: Runs) -> None:
    held = [runner.submit("held").run_id for _ in range(3)]
    for _ in held:
        GATE.wait_started()
    counted = api.post("/executions/bulk/preview", json={"filter": {"workflow": ["held"]}}).json()
    assert counted["counts"] == {"running": {"count": 3, "more": False}}
    paused = bulk(api, live, verb="pause", filter={"workflow": ["held"]}, reason="all")
    assert (paused["state"], paused["done"], paused["refusals"], paused["more"]) == ("completed", 3, {}, False)
    assert (paused["reason"], paused["by"], paused["completed_at"] is None) == ("all", "api", False)
    again = bulk(api, live, verb="pause", ids=[held[0], "nothing"])
    assert (again["done"], again["refused"]) == (0, 2)
    assert "paused" in again["refusals"][held[0]]
    assert bulk(api, live, verb="cancel", ids=held)["done"] == 3
    assert api.get("/bulk", params={"limit": 2}).json()["total"] == 2
    path = "/executions/bulk"
    for body in ({"verb": "pause"}, {"verb": "pause", "ids": [], "filter": {}}, {"verb": "explode", "ids": []}):
        assert api.post(path, json=body).status_code == 400


def test_a_bulk_job_is_asked_for_once_with_its_key(api: httpx.Client, live: Live, runs: Runs) -> None:
    key, body = {"Idempotency-Key": "bulk-1"}, {"verb": "resume", "ids": [runs.completed]}
    first = api.post("/executions/bulk", json=body, headers=key).json()
    assert live.app.state.tenants.only.bulk_worker.wait_idle(20)
    again = api.post("/executions/bulk", json=body, headers=key).json()
    assert (again["bulk_id"], again["state"], again["refused"]) == (first["bulk_id"], "completed", 1)
    other = api.post("/executions/bulk", json=body | {"verb": "pause"}, headers=key)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")
    stopped = api.delete(f"/bulk/{first['bulk_id']}")
    assert (stopped.status_code, stopped.json()["code"]) == (409, "invalid_transition")
    for method in (api.get, api.delete):
        assert method("/bulk/nothing").json()["code"] == "bulk_not_found"


def test_runs_are_forgotten_together(api: httpx.Client, live: Live, runner: DefaultRunner, runs: Runs) -> None:
    run_id = runner.submit("sums").run_id
    runner.handle(run_id).result()
    done = bulk(api, live, verb="forget", ids=[run_id, runs.asking])
    assert (done["done"], done["refused"]) == (1, 1)
    assert "paused" in done["refusals"][runs.asking]
    assert api.get(f"/executions/{run_id}").status_code == 404


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
    assert workflow["tasks"] == [node["name"] for node in workflow["nodes"]] == ["draft", "review", "publish"]
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


def test_a_context_comes_as_a_part(api: httpx.Client, runner: DefaultRunner, runs: Runs) -> None:
    wait_for_workflow(api, "sums")
    path, large = "/workflows/sums/execute", {"amount": 3, "text": "x" * (17 << 20)}
    refused = api.post(path, content=json.dumps({"context": large}), headers={"content-type": "application/json"})
    assert refused.status_code == 413
    parts: dict[str, Any] = {"context": ("context.json", json.dumps(large)), "labels": (None, '{"env": "parts"}')}
    started = api.post(path, files=parts)
    assert started.status_code == 202, started.text
    run_id = started.json()["execution_id"]
    assert runner.handle(run_id).result().final_context["doubled"] == 6
    assert api.get(f"/executions/{run_id}").json()["labels"] == {"env": "parts"}
    field: dict[str, Any] = {"context": (None, '{"amount": 4}')}
    assert api.post(path, files=field).status_code == 202
    for wrong in (
        {"context": (None, '{"amount": NaN}')},
        {"context": ("c", b"\xff")},
        {"context": (None, "[]")},
        {"context": (None, "{}"), "other": (None, "1")},
        {f"f{k}": (None, "1") for k in range(9)},
        {},
    ):
        answer = api.post(path, files=wrong, headers={} if wrong else {"content-type": "multipart/form-data"})
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request"), (wrong, answer.text)
    twice = [("context", (None, "{}")), ("context", (None, "{}"))]
    assert "twice" in api.post(path, files=twice).json()["error"]
    elsewhere = api.post(f"/executions/{run_id}/cancel", files=field)
    assert (elsewhere.status_code, elsewhere.json()["code"]) == (415, "unsupported_media_type")


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
    runner.announce()
    runners = api.get("/runners").json()["items"]
    assert [one["status"] for one in runners if "sums" in one["workflows"]] == ["running"]


def test_old_runs_are_counted_and_deleted(api: httpx.Client, runner: DefaultRunner, runs: Runs) -> None:
    run_id = runner.submit("sums").run_id
    runner.handle(run_id).result()
    nothing = api.post("/retention/preview", json={"ended_before": "2020-01-01T00:00:00Z"}).json()
    assert all(one["count"] == 0 for one in nothing["counts"].values())
    everything = {"ended_before": "2999-01-01T00:00:00Z"}
    whole = api.post("/retention/preview", json=everything).json()
    assert whole["counts"]["completed"]["count"] >= 2
    assert whole["bytes"] > 100
    assert whole["estimated"] is False
    kept = [item["id"] for item in api.get("/executions").json()["items"] if item["id"] != run_id]
    assert api.post("/retention/prune", json={**everything, "keep": kept}).json()["pruned"] == 1
    assert api.get(f"/executions/{run_id}").status_code == 404
    for refused in ({"ended_before": "x"}, {"keep": ["x"]}, {**everything, "rule": {"days": 1}}):
        assert api.post("/retention/prune", json=refused).status_code == 400


def test_the_rule_of_the_database(api: httpx.Client, runner: DefaultRunner, runs: Runs) -> None:
    assert api.get("/retention").json()["changed_at"] is None
    rule = {"days": 30, "days_failed": 90.5, "keep_labels": ["audit", "env=prod"], "logs_days": 7}
    stored = api.put("/retention", json=rule).json()
    assert stored.items() >= rule.items()
    assert (stored["changed_by"], stored["changed_at"] is None) == ("api", False)
    assert api.get("/retention").json() == stored
    assert api.post("/retention/preview").json()["counts"] == {}
    run_id = runner.submit("sums").run_id
    runner.handle(run_id).result()
    preview = api.post("/retention/preview", json={"rule": {"days_failed": 0}}).json()
    assert list(preview["counts"]) == ["failed"]
    for wrong in ({"days": -1}, {"days": 1, "logs_days": 2}, {"keep_labels": ["="]}, {"day": 3}, {"days": "3"}):
        refused = api.put("/retention", json=wrong)
        assert (refused.status_code, refused.json()["code"]) == (400, "invalid_request"), wrong
    assert api.put("/retention", json={}).json()["days"] is None
    assert api.post("/retention/prune").json()["pruned"] == 0


def test_the_database_is_checked(api: httpx.Client, runs: Runs) -> None:
    report = api.post("/verify").json()
    assert report["violations"] == 0
    assert report["items"] == []
    assert report["runs"] >= 3
