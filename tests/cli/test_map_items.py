"""Mapped runs on the command line: how many items are done, and the first that failed."""

from __future__ import annotations

import json

import pytest

from holdwater import DefaultRunner, Graph, SyncRunner, WorkflowBuilder, node, task
from holdwater.checkpointers import Checkpointer
from tests.cli.conftest import Shell


def check(x: int) -> int:
    if x % 3 == 0:
        raise ValueError(f"{x} is \x1b[31mbad")
    if x == 40:
        raise KeyboardInterrupt
    return x


GRAPH = Graph([node(check, output_name="y")], name="checks")


def map_over(shell: Shell, count: int, workflow_id: str) -> None:
    with Checkpointer(f"sqlite:///{shell.home}/runs.db") as checkpointer:
        SyncRunner(checkpointer=checkpointer).map(
            GRAPH, {"x": range(count)}, map_over="x", workflow_id=workflow_id, error_handling="continue"
        )


def test_a_durable_map(shell: Shell) -> None:
    map_over(shell, 36, "the-map")
    shown = shell("runs", "show", "the-map", "--database", "sqlite:///runs.db")
    assert shown.returncode == 0, shown.stderr
    lines = shown.stdout.splitlines()
    assert [line.split(maxsplit=1) for line in lines if line.startswith("items")] == [
        ["items", "24 of 36 items completed, 12 failed"]
    ]
    first = lines.index("failed items")
    assert lines[first + 1] == '  0  ValueError: 0 is \\x1b[31mbad  {"x":0}'
    assert lines[first + 11] == "  and 2 more"
    data = json.loads(shell("runs", "show", "the-map", "--database", "sqlite:///runs.db", "--json").stdout)["items"]
    assert (data["total"], data["completed"], data["failed"], len(data["failures"])) == (36, 24, 12, 10)
    assert data["failures"][1]["label"] == "3"
    assert data["failures"][1]["inputs"] == {"x": 3}
    assert "in check" in data["failures"][1]["traceback"]


def test_a_map_that_goes_on_in_the_list(shell: Shell) -> None:
    with pytest.raises(KeyboardInterrupt):
        map_over(shell, 50, "interrupted")
    listed = shell("runs", "list", "--database", "sqlite:///runs.db").stdout
    assert "its caller was interrupted, 26 items completed, 14 failed" in listed
    assert "checks.map" in listed


def test_child_runs_of_a_mapped_task(shell: Shell) -> None:
    with WorkflowBuilder("mapped"):
        task(id="sizes", map_over="xs", map_error_handling="continue")(lambda item: check(item))
    with DefaultRunner(f"sqlite:///{shell.home}/runs.db") as runner:
        run_id = runner.execute("mapped", {"xs": [1, 2, 3]}).run_id
    shown = shell("runs", "show", run_id, "--database", "sqlite:///runs.db").stdout
    assert "2 of 3 items completed, 1 failed" in shown
    assert "  sizes[2]  task 'sizes' failed: ValueError: 3 is" in shown
