"""What every store must do with announced workflows and runners.  `place` is as in `StoreConformance`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from holdwater.model.catalog import PlanRow, RunnerRow, WorkflowRow
from holdwater.model.ports.store import Store
from holdwater.model.time import Micros
from tests.storage.conformance import StoreLocation
from tests.storage.factories import new_run_update


def workflow(name: str, at: int = 5, structure: str = "s1") -> WorkflowRow:
    return WorkflowRow(
        name,
        "tasks",
        structure,
        "c1",
        {"description": "Grüße \0 \ud800", "tags": []},
        [{"name": "a", "kind": "call", "full_name": f"{name}::a"}],
        registered_at=Micros(at),
        seen_at=Micros(at),
    )


def plan(structure: str = "s1") -> PlanRow:
    return PlanRow(structure, "orders", "tasks", {"name": "orders", "nodes": []})


def runner(owner: str, seen_at: int = 100, started_at: int = 50) -> RunnerRow:
    return RunnerRow(
        owner,
        f"name of {owner}",
        "host",
        7,
        "0.1",
        {"default": 4},
        ["orders"],
        False,
        "running",
        Micros(started_at),
        Micros(seen_at),
    )


class CatalogConformance:
    """Subclass it as `Test...`."""

    @pytest.fixture
    def store(self, place: StoreLocation) -> Iterator[Store]:
        yield place.open()
        place.close()

    def test_an_announced_workflow_is_read_as_it_was_written(self, store: Store) -> None:
        assert (store.get_workflow("orders"), store.is_workflow_registered("orders")) == (None, False)
        store.announce_workflows([workflow("orders"), workflow("ü")], [plan(), plan(), plan("s2")])
        assert store.get_workflow("orders") == workflow("orders")
        assert store.is_workflow_registered("ü")
        assert store.get_plan("s2") == plan("s2").plan
        assert store.announced_digests() == {
            "orders": (workflow("orders").digest, Micros(5)),
            "ü": (workflow("ü").digest, Micros(5)),
        }

    def test_a_later_announcement_replaces_all_but_the_first_instant(self, store: Store) -> None:
        store.announce_workflows([workflow("orders")], [plan()])
        changed = workflow("orders", at=9, structure="s2")
        store.announce_workflows([changed], [replace(plan(), plan={"name": "other"}), plan("s2")])
        assert store.get_workflow("orders") == replace(changed, registered_at=Micros(5))
        assert store.get_plan("s1") == plan().plan, "a plan that is there stays"

    def test_nothing_to_announce(self, store: Store) -> None:
        store.announce_workflows([], [])
        assert store.list_workflows(10) == []

    def test_workflows_are_listed_by_name_without_their_nodes(self, store: Store) -> None:
        store.announce_workflows([workflow(name) for name in ("b", "c", "a")], [])
        assert [row.name for row in store.list_workflows(2)] == ["a", "b"]
        assert store.list_workflows(10, "b") == [replace(workflow("c"), nodes=[])]

    def test_an_announced_plan_is_that_of_runs(self, store: Store) -> None:
        update = new_run_update("r1", structure="s1")
        update.plan = {"name": "of the run", "nodes": []}
        store.commit([update])
        store.announce_workflows([workflow("orders")], [plan()])
        assert store.get_plan("s1") == {"name": "of the run", "nodes": []}

    def test_runners_are_written_changed_and_deleted(self, store: Store) -> None:
        store.put_runner(runner("o1", started_at=2), Micros(0))
        store.put_runner(runner("o2", started_at=1), Micros(0))
        assert store.list_runners() == [runner("o2", started_at=1), runner("o1", started_at=2)]
        later = replace(runner("o1", 200, 2), state="draining", workflows=[], executors={"gpu": 1})
        store.put_runner(later, Micros(0))
        assert store.list_runners()[1] == later
        store.delete_runner("o2")
        store.delete_runner("o2")
        assert store.list_runners() == [later]

    def test_runners_that_were_silent_for_long_are_forgotten(self, store: Store) -> None:
        store.put_runner(runner("dead", seen_at=10), Micros(0))
        store.put_runner(runner("alive", seen_at=100), Micros(11))
        assert [row.owner for row in store.list_runners()] == ["alive"]
