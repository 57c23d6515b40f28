"""What every store must do with bulk jobs, settings, and deletions that are not by age."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from holdwater.model.bulk_jobs import BulkJob
from holdwater.model.logs import LogRow
from holdwater.model.map_items import MapItemRow
from holdwater.model.ports.store import Store
from holdwater.model.records import FIRST_CURSOR, EndedRun, PruneResult, RunUpdate
from holdwater.model.settings import Setting
from holdwater.model.time import Micros
from tests.storage.conformance import StoreLocation
from tests.storage.factories import new_run_update

NEVER = Micros(0)


def job(job_id: str, at: int = 100, matched: int = 3) -> BulkJob:
    return BulkJob(job_id, "retry", matched, Micros(at), reason="why \0 \ud800", by="cli:alice", digest="d")


def ended(run_id: str, at: int, **fields: Any) -> RunUpdate:
    return new_run_update(run_id, finished_at=Micros(at), **{"status": "completed", **fields})


class BulkJobConformance:
    """Subclass it as `Test...`."""

    @pytest.fixture
    def store(self, place: StoreLocation) -> Iterator[Store]:
        yield place.open()
        place.close()

    def test_a_job_is_read_as_it_was_written(self, store: Store) -> None:
        assert store.get_bulk_job("a") is None
        assert store.create_bulk_job(job("a"), [["r1", "no\0\ud800"], ["r3"]], NEVER)
        assert not store.create_bulk_job(job("a", at=200), [["x"]], NEVER), "there is one of this id"
        assert store.get_bulk_job("a") == job("a")
        assert store.create_bulk_job(job("b", at=200, matched=0), [], NEVER)
        assert [one.id for one in store.list_bulk_jobs(10)] == ["b", "a"]
        assert [one.id for one in store.list_bulk_jobs(1)] == ["b"]
        assert store.next_bulk_chunk("a") == (0, ["r1", "no\0\ud800"])
        assert store.next_bulk_chunk("b") is None

    def test_one_process_at_a_time_has_a_job(self, store: Store) -> None:
        store.create_bulk_job(job("a"), [["r1"], ["r2"]], NEVER)
        assert store.claim_bulk_job("a", "one", Micros(10), Micros(20))
        assert not store.claim_bulk_job("a", "two", Micros(20), Micros(40))
        assert store.claim_bulk_job("a", "one", Micros(15), Micros(25))
        assert store.claim_bulk_job("a", "two", Micros(26), Micros(40)), "its lease is over"
        assert not store.claim_bulk_job("nothing", "two", Micros(26), Micros(40))
        mine = replace(job("a"), owner="one", lease_until=Micros(50), done_count=1)
        assert not store.save_bulk_progress(mine, 0), "it is another's now"
        theirs = replace(mine, owner="two", refusals={"r1": "why not"}, refused_count=1)
        assert store.save_bulk_progress(theirs, 0)
        assert store.get_bulk_job("a") == theirs
        assert store.next_bulk_chunk("a") == (1, ["r2"])
        ended_job = replace(theirs, state="completed", ended_at=Micros(60))
        assert store.save_bulk_progress(ended_job, 1)
        assert store.next_bulk_chunk("a") is None
        assert not store.claim_bulk_job("a", "two", Micros(70), Micros(80)), "it is over"
        assert not store.stop_bulk_job("a", Micros(80))

    def test_a_job_that_was_stopped_goes_no_further(self, store: Store) -> None:
        store.create_bulk_job(job("a"), [["r1"], ["r2"]], NEVER)
        store.claim_bulk_job("a", "one", Micros(10), Micros(20))
        assert store.stop_bulk_job("a", Micros(15))
        assert not store.stop_bulk_job("nothing", Micros(15))
        assert not store.save_bulk_progress(replace(job("a"), owner="one", done_count=1), 0)
        found = store.get_bulk_job("a")
        assert found is not None
        assert (found.state, found.ended_at, found.done_count) == ("stopped", 15, 0)
        assert store.next_bulk_chunk("a") is None

    def test_old_jobs_go_when_another_is_created(self, store: Store) -> None:
        for name, at in (("old", 10), ("recent", 20)):
            store.create_bulk_job(job(name), [["r1"]], NEVER)
            store.stop_bulk_job(name, Micros(at))
        store.create_bulk_job(job("open"), [["r1"]], NEVER)
        store.create_bulk_job(job("new", at=300), [], Micros(20))
        assert {one.id for one in store.list_bulk_jobs(10)} == {"recent", "open", "new"}

    def test_a_setting_replaces_the_one_of_its_name(self, store: Store) -> None:
        assert store.get_setting("retention") is None
        store.put_setting(Setting("retention", {"days": 3}, Micros(5), "cli:alice"))
        changed = Setting("retention", {"days": None, "keep_labels": ["ü", "\ud800"]}, Micros(6))
        store.put_setting(changed)
        store.put_setting(Setting("other", [1], Micros(6)))
        assert store.get_setting("retention") == changed

    def test_families_that_have_ended_are_deleted(self, store: Store) -> None:
        store.commit(
            [
                ended("a", 10),
                ended("a/1", 9, parent_id="a"),
                ended("b", 10),
                new_run_update("b/1", parent_id="b"),
                ended("c", 10),
                new_run_update("d"),
            ]
        )
        assert sorted(store.delete_runs(["a", "b", "d", "nothing"])) == ["a", "a/1"]
        assert sorted([row.id for row in store.iter_runs()]) == ["b", "b/1", "c", "d"]
        assert store.read_journal("a") == []
        assert store.delete_runs([]) == []

    def test_what_is_spared_stays(self, store: Store) -> None:
        store.commit([ended("a", 10, status="failed", labels_json='{"env":"prod"}'), ended("b", 11), ended("c", 12)])
        seen: list[EndedRun] = []

        def spares(run: EndedRun) -> bool:
            seen.append(run)
            return run.labels.get("env") == "prod"

        assert store.prune(Micros(12), (), 2, FIRST_CURSOR, spares) == PruneResult(1, (Micros(11), "b"))
        assert seen == [EndedRun(Micros(10), "a", "failed", '{"env":"prod"}'), EndedRun(Micros(11), "b", "completed")]
        assert sorted([row.id for row in store.iter_runs()]) == ["a", "c"]

    def test_logs_are_measured_and_deleted_before_their_runs(self, store: Store) -> None:
        store.commit([ended("a", 10), ended("a/1", 9, parent_id="a"), ended("b", 20)])
        before = store.measure_runs(["a", "b", "nothing"])
        assert before == 3 * len('[["started",{}]]')
        rows = [LogRow(run_id, 0, 1, Micros(5), "stdout", "four") for run_id in ("a", "a/1", "b")]
        store.append_logs(rows)
        assert store.measure_runs(["a"]) >= before // 3 * 2 + 8
        assert store.prune_logs(Micros(15), 9) == PruneResult(1, None)
        assert [store.read_logs(run_id) for run_id in ("a", "a/1")] == [[], []]
        assert len(store.read_logs("b")) == 1
        assert store.prune_logs(Micros(99), 1) == PruneResult(1, (Micros(10), "a"))
        store.append_logs(rows[:1])
        assert [row.line for row in store.read_logs("a")] == [1]
        assert store.measure_runs([]) == 0
        size_bytes = store.measure_runs(["b"])
        store.write_map_items(
            [
                MapItemRow("b", 0, "d" * 32, "completed", Micros(5), outputs='{"x":"\u00fc"}'),
                MapItemRow("b", 1, "d" * 32, "failed", Micros(5), error="1234", traceback="12", inputs="{}"),
            ]
        )
        assert store.measure_runs(["b"]) in (size_bytes + 9 + 8, size_bytes + 10 + 8), "in characters or bytes"
