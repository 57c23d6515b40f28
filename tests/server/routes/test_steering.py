"""Steering by the API, of runs that a runner executes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from holdwater import DefaultRunner
from tests.server.live import Live
from tests.server.routes.conftest import API, GATE, Runs

VERBS = ("cancel", "pause", "resume", "retry")


def events(api: httpx.Client, run_id: str, event_type: str) -> list[dict[str, Any]]:
    items = api.get(f"/executions/{run_id}/events").json()["items"]
    return [one for one in items if one["event_type"] == event_type]


def test_a_run_is_paused_resumed_and_cancelled(api: httpx.Client, runner: DefaultRunner, runs: Runs) -> None:
    run_id = runner.submit("held").run_id
    GATE.wait_started()
    paused = api.post(f"/executions/{run_id}/pause", json={"reason": "a look"})
    assert paused.status_code == 202
    assert (paused.json()["status"], paused.json()["reason"]) == ("paused", "a look")
    again = api.post(f"/executions/{run_id}/pause")
    assert (again.status_code, again.json()["code"]) == (409, "invalid_transition")
    assert api.post(f"/executions/{run_id}/resume").json()["status"] == "running"
    cancelled = api.post(f"/executions/{run_id}/cancel", json={"reason": "enough"})
    assert cancelled.status_code == 202
    assert events(api, run_id, "workflow_paused")[0]["by"] == "api"
    assert events(api, run_id, "workflow_cancel_requested")[0]["by"] == "api"


def test_a_failed_run_is_retried(api: httpx.Client, runner: DefaultRunner, runs: Runs) -> None:
    run_id = runner.submit("fails").run_id
    runner.handle(run_id).result()
    assert api.post(f"/executions/{run_id}/retry", json={"release": "1.0"}).status_code == 400
    retried = api.post(f"/executions/{run_id}/retry", json={"release": "active"})
    assert retried.status_code == 202
    assert retried.json()["release"] is None
    runner.handle(run_id).result()
    assert len(events(api, run_id, "workflow_failed")) == 2


def test_a_question_is_answered_by_its_name_and_its_schema(
    api: httpx.Client, runner: DefaultRunner, runs: Runs
) -> None:
    run_id = runner.submit("articles", {"topic": "answers"}).run_id
    runner.handle(run_id).result()
    path = f"/executions/{run_id}/answers"
    wrong = api.post(path, json={"value": "perhaps"})
    assert (wrong.status_code, wrong.json()["code"]) == (400, "answer_invalid")
    unknown = api.post(path, json={"pause_id": "aproved", "value": True})
    assert (unknown.status_code, unknown.json()["code"]) == (409, "not_asked")
    answered = api.post(path, json={"pause_id": "approved", "value": True})
    assert answered.status_code == 202
    runner.handle(run_id).result()
    assert api.get(f"/executions/{run_id}").json()["status"] == "completed"
    assert api.post(path, json={"value": True}).json()["code"] == "not_asked"


def test_a_fork_takes_over_results_and_keeps_its_key(api: httpx.Client, runner: DefaultRunner, runs: Runs) -> None:
    path, key = f"/executions/{runs.completed}/fork", {"Idempotency-Key": "fork-of-tests"}
    body = {"from_task": "double", "context": {"amount": 50}}
    forked = api.post(path, json=body, headers=key)
    assert forked.status_code == 202
    fork_id = forked.json()["id"]
    assert forked.json()["forked_from"] == runs.completed
    assert api.post(path, json=body, headers=key).json()["id"] == fork_id
    conflict = api.post(path, json={**body, "context": {"amount": 51}}, headers=key)
    assert (conflict.status_code, conflict.json()["code"]) == (409, "idempotency_conflict")
    runner.handle(fork_id).result()
    assert api.get(f"/executions/{fork_id}", params={"context": "true"}).json()["context"]["doubled"] == 100
    missing = api.post(path, json={"from_task": "tripple"})
    assert (missing.status_code, missing.json()["code"]) == (404, "task_not_found")


@pytest.mark.parametrize("verb", VERBS)
def test_a_run_that_is_not_there(api: httpx.Client, runs: Runs, verb: str) -> None:
    refused = api.post(f"/executions/nothing/{verb}")
    assert (refused.status_code, refused.json()["code"]) == (404, "execution_not_found")


def test_a_database_that_is_only_read_is_not_steered(serve: Callable[..., Live], runs: Runs) -> None:
    with serve(read_only=True).client() as client:
        for verb in (*VERBS, "fork", "answers"):
            refused = client.post(f"{API}/executions/{runs.completed}/{verb}", json={})
            assert refused.status_code == 403
