"""`holdwater submit` and `holdwater workflows`: by the name of a workflow, without its code."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.cli.conftest import Shell
from tests.suite.workers import StartWorker, Worker, start_worker

__all__ = ["start_worker"]

ORDER = '{"id": 1, "parts": []}'


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/runs.db"


@pytest.fixture
def worker(start_worker: StartWorker) -> Worker:
    return start_worker("--name", "blue")


@pytest.fixture
def elsewhere(shell: Shell, tmp_path: Path, database_url: str) -> Shell:
    """A shell in a directory without the modules of the worker."""
    home = tmp_path / "elsewhere"
    home.mkdir()
    shell.home = home
    shell.environment["HOLDWATER_DATABASE"] = database_url
    return shell


def test_inputs_by_name_and_the_end_of_the_run(elsewhere: Shell, worker: Worker) -> None:
    result = elsewhere("submit", "loop", "--input", "count=1", "--input", "limit=3", "--wait")
    assert result.returncode == 0, result.stderr
    assert "of loop" in result.stdout
    assert "count = 3" in result.stdout
    text = elsewhere(
        "submit", "tasks", "--inputs", '{"n": 1, "note": "x"}', "--input", "n=4", "--wait", "--json"
    ).stdout
    run = json.loads(text)
    assert (run["status"], run["final_context"]["sum"], run["final_context"]["note"]) == ("Completed", 5, "x")
    assert (run["origin"], run["labels"]) == ("cli", {})


def test_a_question_and_a_failure_have_their_exit_codes(elsewhere: Shell, worker: Worker) -> None:
    asked = elsewhere("submit", "graph", "--input", f"order={ORDER}", "--input", "when=2026-01-02", "--wait")
    assert asked.returncode == 4, asked.stderr
    assert "waits for" in asked.stdout
    assert "holdwater runs answer" in asked.stdout
    failed = elsewhere("submit", "fails", "--wait")
    assert failed.returncode == 1
    assert "ValueError: broken" in failed.stdout


def test_a_run_with_a_key_and_labels(elsewhere: Shell, worker: Worker) -> None:
    first = elsewhere("submit", "blocks", "--key", "k", "--label", "env=test", "--json")
    run = json.loads(first.stdout)
    assert run["labels"] == {"env": "test"}
    again = elsewhere("submit", "blocks", "--key", "k")
    assert f"run {run['run_id']} of blocks, an earlier run with this key" in again.stdout
    assert "it is executed by blue" in again.stdout
    assert elsewhere("submit", "blocks", "--key", "k", "--input", "x=1").returncode == 2


def test_without_a_worker_the_run_waits(elsewhere: Shell, worker: Worker) -> None:
    worker.stop()
    result = elsewhere("submit", "tasks", "--input", "n=1")
    assert result.returncode == 0
    assert "no runner has this workflow now" in result.stdout
    assert "holdwater worker MODULE" in result.stdout


def test_a_wait_without_a_worker_says_why(elsewhere: Shell, worker: Worker) -> None:
    worker.stop()
    process = elsewhere.start("submit", "tasks", "--input", "n=1", "--wait")
    assert process.stderr is not None
    said = process.stderr.readline()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert "queued: no worker has begun what is due; start one that has its workflow" in said
    assert process.returncode == 130


def test_an_interrupted_wait_leaves_the_run_alone(elsewhere: Shell, worker: Worker, tmp_path: Path) -> None:
    process = elsewhere.start("submit", "blocks", "--wait")
    elsewhere.wait_until((tmp_path / "blocked").exists, process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the run goes on" in err
    (tmp_path / "go").touch()
    assert elsewhere("runs", "follow", "@last").returncode == 0
    assert json.loads(elsewhere("runs", "show", "@last", "--json").stdout)["status"] == "Completed"


def test_what_is_refused(elsewhere: Shell, worker: Worker) -> None:
    for arguments, code, text in (
        (["task"], 3, "did you mean 'tasks'"),
        (["graph", "--input", f"order={ORDER}"], 2, "workflow 'graph' needs 'when'"),
        (["graph", "--input", f"order={ORDER}", "--input", "when=soon"], 2, "when must be a date"),
        (["tasks", "--input", "n"], 2, "write NAME=VALUE"),
        (["tasks", "--inputs", "[1]"], 2, "no JSON object"),
        (["tasks", "--inputs", "{"], 2, "no JSON"),
        (["tasks", "--label", "x"], 2, "write KEY=VALUE"),
    ):
        result = elsewhere("submit", *arguments)
        assert (result.returncode, text in result.stderr) == (code, True), result.stderr
    assert elsewhere("submit", "tasks", "--database", "sqlite:///none.db").returncode == 3


def test_workflows_are_listed_and_shown(elsewhere: Shell, worker: Worker) -> None:
    listed = elsewhere("workflows").stdout.splitlines()
    assert listed[0].split() == ["WORKFLOW", "STYLE", "RUNNERS", "INPUTS", "DESCRIPTION"]
    assert listed[-1].split() == ["tasks", "tasks", "1", "any", "Tasks", "that", "add."]
    shown = elsewhere("workflows", "graph").stdout
    for text in ("when", "a date (ISO 8601)", "one of 'fast', 'slow'", 'default "fast"', "Ship an order.", "blue"):
        assert text in shown
    assert "holdwater submit graph --input order=VALUE --input when=VALUE" in shown
    described = json.loads(elsewhere("workflows", "graph", "--json").stdout)
    assert described["plan"]["style"] == "graphs"
    assert described["inputs_schema"]["required"] == ["order", "when"]
    assert elsewhere("workflows", "grap").returncode == 3
    assert len(json.loads(elsewhere("workflows", "--json").stdout)) == 6
