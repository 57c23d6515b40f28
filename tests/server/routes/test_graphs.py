"""Graphs of runs as data, and pictures that stand alone."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

import httpx
import pytest

from tests.server.routes.conftest import Runs


def graph_of(api: httpx.Client, run_id: str) -> dict[str, Any]:
    answer = api.get(f"/executions/{run_id}/graph")
    assert answer.status_code == 200, answer.text
    graph: dict[str, Any] = answer.json()
    return graph


def test_the_graph_of_a_run_that_asks(api: httpx.Client, runs: Runs) -> None:
    graph = graph_of(api, runs.asking)
    assert graph["execution_id"] == runs.asking
    assert [(node["name"], node["kind"], node["state"], node["word"]) for node in graph["nodes"]] == [
        ("draft", "function", "completed", "Completed"),
        ("review", "question", "awaiting_input", "Waiting for a person"),
        ("publish", "function", "pending", "Not started"),
    ]
    assert [(edge["source"], edge["target"], edge["kind"], edge["names"]) for edge in graph["edges"]] == [
        ("draft", "review", "data", ["text"]),
        ("review", "publish", "data", ["approved"]),
    ]
    assert graph["counts"] == {"completed": 1, "awaiting_input": 1, "pending": 1}


def test_a_failed_run(api: httpx.Client, runs: Runs) -> None:
    assert "failed" in {node["state"] for node in graph_of(api, runs.failed)["nodes"]}


@pytest.mark.parametrize("theme", ["auto", "light", "dark"])
def test_pictures_stand_alone(api: httpx.Client, runs: Runs, theme: str) -> None:
    for path in (f"/executions/{runs.completed}", "/workflows/sums"):
        answer = api.get(f"{path}/picture.svg", params={"theme": theme})
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "image/svg+xml"
        assert answer.headers["content-security-policy"] == "default-src 'none'; style-src 'unsafe-inline'; sandbox"
        assert ElementTree.fromstring(answer.text).attrib["class"] == "hw-graph"
        assert "<style>" in answer.text


@pytest.mark.parametrize("path", ["/executions/unknown/graph", "/executions/unknown/picture.svg"])
def test_a_run_that_is_not_there(api: httpx.Client, path: str) -> None:
    assert api.get(path).status_code == 404


def test_a_workflow_that_is_not_there(api: httpx.Client) -> None:
    assert api.get(f"/workflows/{quote('<no>', safe='')}/picture.svg").status_code == 404


def test_a_theme_that_is_not_there(api: httpx.Client, runs: Runs) -> None:
    assert api.get(f"/executions/{runs.completed}/picture.svg", params={"theme": "pink"}).status_code == 400
