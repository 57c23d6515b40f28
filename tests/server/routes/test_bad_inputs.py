"""Names, places, expressions and values that no well-meaning client sends: typed answers, and nothing is changed."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

import httpx
import pytest

from holdwater import DefaultRunner
from tests.server.live import API_TOKEN, Live
from tests.server.routes.conftest import API, Runs

NAMES = [
    "..", "../../etc/passwd", "%2e%2e%2f", "a\\b", "x" * 3000, "\u202eevil", "с", "$(id)", "';--", "~0~1", "%", "_",
    "<script>alert(1)</script>", " ", ".", "CON", "\u0000", "\ud800",
]  # fmt: skip


def path_part(text: str) -> str:
    """Percent-encode all of a text."""
    return "".join([f"%{byte:02x}" for byte in text.encode("utf-8", "surrogatepass")])


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_names_that_are_not_there(api: httpx.Client, runs: Runs, name: str) -> None:
    part = path_part(name)
    for path in (
        f"/executions/{part}", f"/executions/{part}/events", f"/executions/{part}/stream", f"/executions/{part}/export",
        f"/executions/{runs.failed}/tasks/{part}", f"/workflows/{part}", f"/workflows/{part}/picture.svg",
        f"/triggers/{part}", f"/bulk/{part}",
    ):  # fmt: skip
        answer = api.get(path)
        assert answer.status_code in (400, 404, 405, 414), (path, answer.text)
        assert answer.json()["code"], path
        assert "Traceback" not in answer.text
    for path in (f"/executions/{part}/cancel", f"/workflows/{part}/execute", f"/triggers/{part}/fire"):
        answer = api.post(path)
        assert answer.status_code in (400, 404, 414), (path, answer.text)
    other = httpx.URL(str(api.base_url).replace("/tenants/public", f"/tenants/{part}") + "executions")
    assert api.get(other).status_code in (400, 404, 414)


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_filters_are_texts_and_patterns_and_nothing_else(api: httpx.Client, runs: Runs, name: str) -> None:
    known = {runs.completed, runs.failed, runs.asking}
    for field in ("text", "workflow", "cursor", "label", "status", "origin", "since"):
        query = f"{field}={path_part(name)}"
        answer = api.get(f"/executions?{query}")
        assert answer.status_code in (200, 400, 414), (query, answer.text)
        if answer.status_code == 200:
            assert not known & {item["id"] for item in answer.json()["items"]}, query
    matched = api.post("/executions/bulk/preview", json={"ids": [name.replace("\ud800", "\\ud800")]})
    assert matched.status_code == 200
    assert matched.json()["counts"] == {}


def test_a_cursor_is_of_its_list_alone(api: httpx.Client, runs: Runs) -> None:
    cursor = api.get("/executions?limit=1").json()["next_cursor"]
    for path in (
        "/executions?status=failed",
        "/questions?",
        "/workflows?",
        "/triggers?",
        f"/executions/{runs.failed}/children?",
    ):
        answer = api.get(f"{path}&cursor={cursor}")
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_pagination"), path


HOSTILE_TAGS: list[Any] = [
    {"$t": "dataclass", "c": "this:x", "v": {}},
    {"$t": "enum", "c": "this:x", "v": 1},
    {"$t": "pydantic", "c": "antigravity:x", "v": {}},
    {"$t": ["deep"] * 3, "v": None},
    {"$t": "set", "v": 3},
]


@pytest.mark.parametrize("tag", HOSTILE_TAGS, ids=range(len(HOSTILE_TAGS)))
def test_tags_import_no_module(api: httpx.Client, runs: Runs, tag: Any) -> None:
    before = set(sys.modules)
    requests = {
        "/workflows/sums/execute": {"context": {"x": {"deep": [tag]}}},
        f"/executions/{runs.completed}/fork": {"from_task": "double", "context": {"x": tag}},
        f"/executions/{runs.asking}/answers": {"value": tag},
        "/triggers": {
            "workflow_name": "sums",
            "cron_expression": "0 0 * * *",
            "name": "hostile",
            "context": {"x": tag},
        },
    }
    for path, body in requests.items():
        answer = api.post(path, json=body)
        assert answer.status_code == 400, (path, answer.text)
    parts: Any = {"context": (None, json.dumps({"x": tag}))}
    assert api.post("/workflows/sums/execute", files=parts).status_code == 400
    assert {"this", "antigravity"}.isdisjoint(set(sys.modules) - before)
    assert api.get("/triggers/hostile").status_code == 404


@pytest.mark.parametrize(
    "fields",
    [
        {"cron_expression": "* " * 5_000},
        {"cron_expression": "*/0 * * * *"},
        {"cron_expression": "0 0 31 2 *"},
        {"cron_expression": "\u0000"},
        {"timezone": "../../etc/passwd"},
        {"timezone": "/etc/localtime"},
        {"timezone": "Europe/Berlin\u0000"},
        {"timezone": "x" * 100_000},
        {"name": "\u0000"},
        {"jitter_seconds": -1},
        {"start_at": "the day before"},
    ],
    ids=str,
)
def test_schedules_that_cannot_be(api: httpx.Client, runs: Runs, fields: dict[str, Any]) -> None:
    body = {"workflow_name": "sums", "cron_expression": "0 0 * * *", "allow_unknown": True, **fields}
    before = api.get("/triggers").json()["total"]
    answer = api.post("/triggers", json=body)
    assert answer.status_code == 400, answer.text
    assert "/etc" not in answer.json()["error"] or "timezone" in fields
    assert api.get("/triggers").json()["total"] == before


def test_a_token_is_nowhere_in_the_log(live: Live, runs: Runs, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with live.client() as client:
        client.get(f"{API}/executions?api_key={API_TOKEN[:20]}")
        client.get(f"{API}/executions/nothing")
    with live.stranger(headers={"authorization": f"Bearer {API_TOKEN}x"}) as wrong:
        assert wrong.get(f"{API}/executions").status_code == 401
    ours = [record.getMessage() for record in caplog.records if record.name.startswith(("holdwater", "uvicorn"))]
    assert not [text for text in ours if API_TOKEN[:20] in text]


def test_what_a_run_holds_is_text_in_pages(live: Live, runner: DefaultRunner, runs: Runs) -> None:
    evil = "<img src=x onerror=alert(1)>'\"</script>"
    run_id = runner.submit("sums", {"amount": 1, "text": evil, evil: 1}, labels={"env": evil}).run_id
    runner.handle(run_id).result()
    with live.browser() as browser:
        for tab in ("graph", "timeline", "tasks", "events", "context", "doctor"):
            text = browser.get(f"/ui/public/runs/{run_id}?tab={tab}").text
            assert "<img src=x" not in text, tab
        assert "<img src=x" not in browser.get("/ui/public/runs", params={"label": f"env={evil}", "text": evil}).text
