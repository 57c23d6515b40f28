"""Every list, count and histogram of runs reads ranges of indexes, and sorts no more than it has looked at."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from holdwater.model.time import Micros
from holdwater.storage import open_store
from holdwater.storage.sql.fragments import Fragment
from holdwater.storage.sqlite.store import SQLiteStore
from tests.storage.run_list_cases import ASK, FILTERS


class ExplainingStore(SQLiteStore):
    """A store that keeps the plans of composed statements."""

    plans: list[list[tuple[int, int, str]]]
    """of each statement: (number of a step, that of the step above it, the step)"""

    def _select_composed(self, statement: Fragment) -> list[Any]:
        explained = self._select("EXPLAIN QUERY PLAN " + statement.to_sql("?".format), statement.values)
        self.plans.append([(row[0], row[1], row[3]) for row in explained])
        return super()._select_composed(statement)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExplainingStore]:
    plain = open_store(f"sqlite:///{tmp_path_factory.mktemp('plans')}/runs.db")
    assert isinstance(plain, SQLiteStore)
    with closing(plain), closing(ExplainingStore(plain._database_url)) as made:
        made.plans = []
        yield made


@pytest.mark.parametrize("ask", ASK)
@pytest.mark.parametrize(("which", "index"), FILTERS.values(), ids=FILTERS)
def test_an_index_leads(store: ExplainingStore, which: Any, index: str, ask: str) -> None:
    store.plans.clear()
    ASK[ask](store, which)
    (plan,) = store.plans[-1:]
    reads = [step for _, _, step in plan if step.startswith(("SEARCH", "SCAN")) and "candidate" not in step]
    assert reads
    assert any(index in step for step in reads), plan
    assert not [step for step in reads if step.startswith(("SCAN runs", "SCAN run_labels"))], plan


@pytest.mark.parametrize(("which", "index"), FILTERS.values(), ids=FILTERS)
def test_ranges_are_merged_and_not_sorted(store: ExplainingStore, which: Any, index: str) -> None:
    store.plans.clear()
    store.page_runs(which)
    (plan,) = store.plans[-1:]
    below = {number for number, _, step in plan if step in ("MATERIALIZE candidate", "CO-ROUTINE candidate")}
    assert below
    for number, above, step in plan:  # a step stands behind the one it belongs to
        if above in below:
            below.add(number)
            assert "TEMP B-TREE" not in step, plan


def test_names_of_workflows_are_found_step_by_step(store: ExplainingStore) -> None:
    statement = store._sql.LIST_WORKFLOW_NAMES
    steps = [row[3] for row in store._select(f"EXPLAIN QUERY PLAN {statement}")]
    read = [step for step in steps if " runs " in f"{step} "]
    assert len(read) == 4
    assert all("_by_workflow" in step for step in read), steps


def test_the_last_instant_of_all_is_an_instant(store: ExplainingStore) -> None:
    assert store.run_histogram(FILTERS["everything"][0], Micros(0), Micros((1 << 63) - 1), 1 << 60).counts == {}
