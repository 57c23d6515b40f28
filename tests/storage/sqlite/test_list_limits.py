"""A list looks at so many runs, a count ends, a histogram has the latest: and each says so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from holdwater.model import records
from holdwater.model.ports.store import Store
from holdwater.model.records import CappedCount, RunFilter
from holdwater.model.time import Micros
from holdwater.storage import open_store
from holdwater.storage.sql import run_lists
from tests.storage.factories import new_run_update


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """Forty runs: each fourth failed, each tenth is of origin cli, all have a label."""
    monkeypatch.setattr(run_lists, "_SCAN_STEPS_RUNS", (3, 4))
    for module in (run_lists, records):
        monkeypatch.setattr(module, "COUNT_LIMIT_RUNS", 5)
        monkeypatch.setattr(module, "SCAN_LIMIT_RUNS", 12)
    with closing(open_store(f"sqlite:///{tmp_path}/runs.db")) as made:
        made.commit(
            [
                new_run_update(
                    f"r{n:02}",
                    created_at=n,
                    status="completed" if n % 4 else "failed",
                    origin="code" if n % 10 else "cli",
                    labels_json='{"env":"prod"}',
                )
                for n in range(40)
            ]
        )
        yield made


def test_a_page_ends_where_so_many_runs_were_looked_at(store: Store) -> None:
    which = RunFilter(origins=("cli",), limit=2)
    page = store.page_runs(which)
    assert ([run.id for run in page.rows], page.has_more, page.scanned_until) == ([], True, (33, "r33"))
    page = store.page_runs(replace(which, cursor=page.scanned_until))
    assert ([run.id for run in page.rows], page.scanned_until) == (["r30"], (26, "r26"))
    back = store.page_runs(replace(which, cursor=(Micros(12), "r12"), newer=True))
    assert ([run.id for run in back.rows], back.scanned_until) == ([], (19, "r19"))


def test_a_full_page_says_nothing_of_that(store: Store) -> None:
    page = store.page_runs(RunFilter(origins=("code",), limit=2))
    assert ([run.id for run in page.rows], page.has_more, page.scanned_until) == (["r39", "r38"], True, None)


def test_a_list_goes_on_until_it_is_full(store: Store) -> None:
    which = RunFilter(origins=("cli",), limit=3, offset=1)
    assert [run.id for run in store.list_runs(which)] == ["r20", "r10", "r00"]
    assert [run.id for run in store.list_runs(RunFilter(origins=("cli",)))] == ["r30", "r20", "r10", "r00"]


def test_counts_end(store: Store) -> None:
    many = CappedCount(5, is_capped=True)
    assert store.count_runs(RunFilter()) == {"completed": many, "failed": many}
    assert store.count_runs(RunFilter(since=Micros(34))) == {"completed": CappedCount(5), "failed": CappedCount(1)}
    found = store.count_runs(RunFilter(origins=("cli",)))
    assert found == {"completed": CappedCount(1, is_capped=True)}, "among those that were looked at"
    labelled = store.count_runs(RunFilter(labels={"env": "prod"}))
    assert labelled == {"completed": CappedCount(4, is_capped=True), "failed": CappedCount(1, is_capped=True)}


def test_a_histogram_has_the_latest_and_says_since_when(store: Store) -> None:
    found = store.run_histogram(RunFilter(), Micros(0), Micros(40), 10)
    assert found.counts == {
        (20, "completed"): 4, (30, "completed"): 8, (0, "failed"): 3, (10, "failed"): 2, (20, "failed"): 3,
        (30, "failed"): 2,
    }  # fmt: skip
    assert found.complete_since == 30
    found = store.run_histogram(RunFilter(labels={"env": "prod"}), Micros(0), Micros(40), 10)
    assert sum(found.counts.values()) == 12
    assert found.complete_since == 30


def test_capped_counts_add_up(store: Store) -> None:
    assert CappedCount(3) + CappedCount(2) == CappedCount(5)
    assert CappedCount(3) + CappedCount(3) == CappedCount(5, is_capped=True)
    assert CappedCount(0, is_capped=True) + CappedCount(1) == CappedCount(1, is_capped=True)
    assert (str(CappedCount(5)), str(CappedCount.of(6))) == ("5", "5+")
    assert not CappedCount(0)
