"""Every list, count and histogram of runs reads ranges of indexes in tables that have grown, and merges them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from holdwater.model.provenance import encode_labels
from holdwater.model.records import RunFilter
from holdwater.storage import StoreOptions, open_store
from holdwater.storage.postgres.store import PostgresStore
from holdwater.storage.sql.fragments import Fragment
from tests.storage.factories import new_run_update
from tests.storage.run_list_cases import ASK, FILTERS

RUNS = 20_000


class ExplainingStore(PostgresStore):
    """A store that keeps the plans of composed statements."""

    plans: list[str]

    def _select_composed(self, statement: Fragment) -> list[Any]:
        sql = "EXPLAIN " + statement.to_sql("${}".format)
        explained = self._select(sql, statement.values, prepare=False)
        self.plans.append("\n".join([line for (line,) in explained]))
        return super()._select_composed(statement)


@pytest.fixture(scope="module")
def store(postgres: Any) -> Iterator[ExplainingStore]:
    """A store with many runs, most of them completed and of one workflow; a fifth are children, half have a label."""
    url = postgres.url()
    with closing(open_store(url)) as plain:
        for first in range(0, RUNS, 4_000):
            plain.commit([_run(number) for number in range(first, first + 4_000)])
        assert isinstance(plain, PostgresStore)
        with plain._pool.connection() as session:
            session.execute("VACUUM ANALYZE runs, run_labels")
        with closing(ExplainingStore(url, StoreOptions())) as made:
            made.plans = []
            yield made
        with plain._pool.connection() as session:
            session.execute("DROP SCHEMA holdwater CASCADE")


def _run(number: int) -> Any:
    status = "failed" if number % 50 == 0 else "cancelled" if number % 1_000 == 1 else "completed"
    return new_run_update(
        f"r{number:06}",
        status=status,
        workflow="rare" if number % 500 == 0 else "orders",
        created_at=number,
        finished_at=number + 5,
        parent_id=f"r{number - 1:06}" if number % 5 == 1 else None,
        labels_json=encode_labels({"env": "prod"}) if number % 2 else None,
        origin="cli",
        error="502 Bad Gateway" if status == "failed" else None,
    )


@pytest.mark.parametrize("ask", ASK)
@pytest.mark.parametrize(("which", "index"), FILTERS.values(), ids=FILTERS)
def test_an_index_leads(store: ExplainingStore, which: RunFilter, index: str, ask: str) -> None:
    plan = _last_plan(store, lambda: ASK[ask](store, which))
    assert "Seq Scan" not in plan, plan
    assert re.search(rf"Index (Only )?Scan.* using {index}|Index Scan on {index}", plan), plan


@pytest.mark.parametrize(("which", "index"), FILTERS.values(), ids=FILTERS)
def test_ranges_are_merged_and_not_sorted(store: ExplainingStore, which: RunFilter, index: str) -> None:
    plan = _last_plan(store, lambda: store.page_runs(which))
    assert len(re.findall(f"using {index}", plan)) == 1 or "Merge Append" in plan, plan
    sorts = re.findall(r"Sort  \(.*\n *Sort Key: (.*)", plan)
    assert all(key.startswith("candidate") for key in sorts), f"only what was looked at is sorted: {plan}"


def _last_plan(store: ExplainingStore, ask: Callable[[], object]) -> str:
    store.plans.clear()
    ask()
    return store.plans[-1]


def test_names_of_workflows_are_found_step_by_step(store: ExplainingStore) -> None:
    plan = "\n".join([line for (line,) in store._select(f"EXPLAIN {store._sql.LIST_WORKFLOW_NAMES}")])
    assert "Seq Scan" not in plan, plan
    for index in ("runs_top_level_by_workflow", "runs_children_by_workflow"):
        assert f"Index Only Scan using {index}" in plan, plan
