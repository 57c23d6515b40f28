"""Runs by the API: lists, one run, its tasks, events and children."""

from __future__ import annotations

import httpx
import pytest

from holdwater import DefaultRunner
from holdwater.model.records import RunFilter
from tests.server.routes.conftest import Runs


def ids(page: httpx.Response) -> list[str]:
    assert page.status_code == 200, page.text
    return [item["id"] for item in page.json()["items"]]


def test_runs_are_listed_newest_first_in_pages(api: httpx.Client, runs: Runs) -> None:
    first = api.get("/executions", params={"limit": 2})
    assert first.json()["total"] == 2
    cursor = first.json()["next_cursor"]
    second = api.get("/executions", params={"limit": 2, "cursor": cursor})
    assert ids(first) + ids(second) == [runs.asking, runs.failed, runs.completed]
    assert second.json()["next_cursor"] is None
    assert ids(api.get("/executions", params={"offset": 2})) == [runs.completed]


def test_lists_are_filtered(api: httpx.Client, runs: Runs) -> None:
    assert ids(api.get("/executions", params={"status": "failed"})) == [runs.failed]
    assert ids(api.get("/executions", params={"workflow": "sums"})) == [runs.completed]
    assert ids(api.get("/executions", params={"since": "2999-01-01T00:00:00Z"})) == []
    counted = api.get("/executions", params={"count": "true", "limit": 1}).json()["counts"]
    assert counted["failed"] == {"count": 1, "more": False}


@pytest.mark.parametrize(
    "parameters",
    [
        {"limit": 0},
        {"limit": 1001},
        {"limit": "x"},
        {"offset": -1},
        {"offset": 10_001},
        {"cursor": "x"},
        {"cursor": "é"},
        {"cursor": "W10"},
        {"cursor": "WyJhYiIsIDFd"},
        {"cursor": "x" * 4097},
    ],
)
def test_pages_that_cannot_be(api: httpx.Client, runs: Runs, parameters: dict[str, str]) -> None:
    refused = api.get("/executions", params=parameters)
    assert refused.status_code == 400
    assert refused.json()["code"] == "invalid_pagination"


def test_a_cursor_belongs_to_its_filter(api: httpx.Client, runs: Runs) -> None:
    cursor = api.get("/executions", params={"limit": 1}).json()["next_cursor"]
    for parameters in ({"status": "failed"}, {"children": "true"}, {"workflow": "sums"}):
        refused = api.get("/executions", params={**parameters, "cursor": cursor})
        assert refused.status_code == 400
        assert refused.json()["code"] == "invalid_pagination"
    of_children = api.get(f"/executions/{runs.completed}/children", params={"cursor": cursor})
    assert of_children.json()["code"] == "invalid_pagination"


@pytest.mark.parametrize(
    "parameters", [{"stauts": "failed"}, {"status": "lost"}, {"since": "yesterday"}, {"children": "maybe"}]
)
def test_unknown_filters_are_errors(api: httpx.Client, parameters: dict[str, str]) -> None:
    refused = api.get("/executions", params=parameters)
    assert refused.status_code == 400
    assert refused.json()["code"] == "invalid_request"
    assert next(iter(parameters)) in refused.json()["error"]


def test_one_run(api: httpx.Client, runs: Runs) -> None:
    found = api.get(f"/executions/{runs.completed}", params={"context": "true"}).json()
    assert found["tenant_id"] == "public"
    assert found["execution_id"] == found["id"] == runs.completed
    assert found["status"] == found["activity"] == "completed"
    assert found["workflow_name"] == "sums"
    assert found["progress"] == {"done": 2, "total": 2}
    assert found["inputs"] == {"amount": 20}
    assert found["context"] == {"amount": 20, "doubled": 40}
    assert found["started_at"] < found["completed_at"]
    assert api.get(f"/executions/{runs.completed}").json()["context"] is None


def test_an_error_text_that_is_no_unicode_survives(api: httpx.Client, runs: Runs) -> None:
    found = api.get(f"/executions/{runs.failed}")
    assert found.status_code == 200
    assert "502 Bad Gateway" in found.json()["error"]
    assert found.content.isascii()


def test_open_questions_of_a_run(api: httpx.Client, runs: Runs) -> None:
    found = api.get(f"/executions/{runs.asking}").json()
    assert found["status"] == "paused"
    (question,) = found["questions"]
    assert question["answer_name"] == "approved"
    assert question["value"] == "about tests"
    assert question["asking_execution_id"] == runs.asking
    task = api.get(f"/executions/{runs.asking}/tasks/review").json()
    assert task["questions"] == [question]


def test_tasks_of_a_run(api: httpx.Client, runs: Runs) -> None:
    tasks = api.get(f"/executions/{runs.failed}/tasks").json()
    assert [(one["name"], one["status"]) for one in tasks["items"]] == [("broken", "failed"), ("never", "skipped")]
    broken = api.get(f"/executions/{runs.failed}/tasks/broken").json()
    assert broken["attempt_history"][0]["outcome"] == "failed"
    assert "OSError" in broken["attempt_history"][0]["traceback"]
    double = api.get(f"/executions/{runs.completed}/tasks/double").json()
    assert double["inputs"] == {"amount": 20}
    assert double["output"]["doubled"] == 40
    missing = api.get(f"/executions/{runs.completed}/tasks/duoble")
    assert missing.status_code == 404
    assert missing.json()["code"] == "task_not_found"
    assert "double" in missing.json()["hint"]


def test_events_are_read_on_from_every_place(api: httpx.Client, runs: Runs) -> None:
    path = f"/executions/{runs.failed}/events"
    everything = api.get(path).json()["items"]
    assert everything[0]["event_type"] == "workflow_started"
    assert everything[-1]["event_type"] == "workflow_failed"
    read, place = [], "0"
    while place is not None:
        page = api.get(path, params={"since": place, "limit": 2}).json()
        read += page["items"]
        place = page["next_cursor"]
    assert read == everything
    for k, event in enumerate(everything):
        assert api.get(path, params={"since": event["id"]}).json()["items"] == everything[k + 1 :]
    for wrong in ("x", "-1", "1.2.3", "1" * 20, "٣"):
        assert api.get(path, params={"since": wrong}).json()["code"] == "invalid_request"


def test_ids_of_child_runs_in_paths(api: httpx.Client, runs: Runs) -> None:
    refused = api.get(f"/executions/{runs.completed}~1double.1.0")
    assert refused.status_code == 404
    assert f"{runs.completed}/double.1.0" in refused.json()["error"]


@pytest.mark.parametrize("run_id", ["%00", "..", "%2e%2e", "x%2Fy", "a" * 5000, "%ff%fe", "';--", "%F0%9F%98%80"])
def test_ids_that_are_none(api: httpx.Client, runs: Runs, run_id: str) -> None:
    for suffix in ("", "/tasks", "/events", "/children", "/tasks/x"):
        refused = api.get(f"/executions/{run_id}{suffix}")
        assert refused.status_code in (400, 404), suffix
        assert refused.json()["code"] in ("invalid_request", "execution_not_found", "not_found"), suffix


def test_lists_tell_the_progress_of_runs(api: httpx.Client, runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    assert all(item["progress"] is None for item in api.get("/executions").json()["items"])
    found = {item["id"]: item["progress"] for item in api.get("/executions?progress=true").json()["items"]}
    assert found[runs.completed] == {"done": 2, "total": 2}
    assert found[runs.failed] == {"done": 2, "total": 2}
    assert found[runs.asking] == {"done": 1, "total": 3}
    for run_id in (runs.completed, runs.failed, runs.asking):
        assert api.get(f"/executions/{run_id}").json()["progress"] == found[run_id]


def test_so_much_is_read_for_the_progress_of_a_list(runner: DefaultRunner, runs: Runs) -> None:
    reader = runner._engine.reader
    infos = reader.list_runs(RunFilter(top_level=True))
    first = infos[0].journal_length
    assert list(reader.read_progress(infos[:2], max_entries=first)) == [infos[0].id]
    assert reader.read_progress(infos, max_entries=0) == {}


def test_a_run_is_exported_as_one_file(api: httpx.Client, runner: DefaultRunner, runs: Runs) -> None:
    sent = api.get(f"/executions/{runs.failed}/export")
    assert sent.headers["content-disposition"] == f'attachment; filename="{runs.failed}.json"'
    found = sent.json()
    assert (found["format"], found["run"]["id"], found["plan"]["name"]) == (1, runs.failed, "fails")
    entries = [entry for row in found["journal"] for entry in row["entries"]]
    assert [entry[0] for entry in entries] == ["started", "failed"]
    assert found["run"]["seq"] == len(entries)
    assert (found["logs"], found["items"]) == ([], [])
    assert api.get("/executions/nothing/export").json()["code"] == "execution_not_found"
