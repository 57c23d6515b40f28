"""What a diagnosis looks up again and again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from holdwater import DefaultRunner
from holdwater.model.catalog import WorkflowRow
from holdwater.operations.databases import Database
from holdwater.operations.doctor.state import DatabaseState


class _CountedNodes(list[dict[str, Any]]):
    looks = 0

    def __iter__(self) -> Iterator[dict[str, Any]]:
        self.looks += 1
        return super().__iter__()


def test_facts_of_many_nodes_are_found_by_name(runner: DefaultRunner) -> None:
    nodes = _CountedNodes({"name": f"n{k}", "executor": f"e{k}"} for k in range(50))
    state = DatabaseState.of(Database.of(runner._engine))
    state._workflows["wide"] = WorkflowRow("wide", nodes=nodes)
    found = [state.node_facts("wide", f"n{k}").get("executor") for k in range(50)]
    assert found == [f"e{k}" for k in range(50)]
    assert state.node_facts("wide", "unknown") == state.node_facts("unknown", "n0") == {}
    assert nodes.looks == 1, "not once for each of them"
