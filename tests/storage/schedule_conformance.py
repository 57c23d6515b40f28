"""What every store must do about schedules.  Used like `Conformance`."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from queue import SimpleQueue
from threading import Barrier
from typing import Any

import pytest

from holdwater.errors import RunnerClosed, StoreError
from holdwater.model.ports.store import Store
from holdwater.model.records import Notification
from holdwater.model.schedules import FireCounts, FireRow, FireState, Firing, ScheduleRow
from holdwater.model.time import Micros
from tests.storage.conformance import StoreLocation
from tests.storage.factories import make_work_row, new_run_update, run_update


def make_cron_schedule(schedule_id: str, **fields: Any) -> ScheduleRow:
    given: dict[str, Any] = dict(kind="cron", name=None, workflow="orders", created_at=1, next_at=100, settled_at=50)
    return ScheduleRow(schedule_id, **(given | fields))


def fire_row(
    schedule_id: str, scheduled_at: int, state: FireState, claimed_at: int, run_id: str | None = None, **fields: Any
) -> FireRow:
    return FireRow(schedule_id, Micros(scheduled_at), state, Micros(claimed_at), run_id, **fields)


def put_and_read(store: Store, row: ScheduleRow) -> ScheduleRow:
    assert store.put_schedule(row)
    found = store.get_schedule(row.id)
    assert found is not None
    return found


def ready_fire_times(store: Store, **given: Any) -> list[int]:
    limits: dict[str, Any] = dict(max_attempts=3, tried_before=1_000, not_before=0)
    return [f.scheduled_at for f in store.startable_fires(["orders"], 10, **(limits | given))]


class ScheduleConformance:
    """Subclass it as `Test...`."""

    @pytest.fixture
    def store(self, place: StoreLocation) -> Iterator[Store]:
        yield place.open()
        place.close()

    def test_a_schedule_comes_back_as_it_was(self, store: Store) -> None:
        full = ScheduleRow(
            "s1", "trigger", "näme", "w", "* * * * *", "Europe/Berlin", '{"a":1}', False, "run_all", 7, 1 << 40,
            "queue", 3, Micros(4), Micros(5), 6, True,
            Micros(8), Micros(9), Micros(1 << 60), Micros(11), Micros(12), "error", 0,
        )  # fmt: skip
        assert put_and_read(store, full) == replace(full, version=1)
        assert put_and_read(store, make_cron_schedule("s2")) == make_cron_schedule("s2", version=1)
        assert store.schedule_by_name("trigger", "näme") == replace(full, version=1)
        assert store.get_schedule("s3") is store.schedule_by_name("cron", "näme") is None

    def test_what_a_database_cannot_carry(self, store: Store) -> None:
        row = put_and_read(store, make_cron_schedule("s1", last_error="lone \udc80 and nul \0"))
        assert row.last_error is not None
        assert row.last_error.startswith("lone ")

    def test_a_write_needs_the_version(self, store: Store) -> None:
        row = put_and_read(store, make_cron_schedule("s1"))
        assert not store.put_schedule(make_cron_schedule("s1"))
        row.workflow = "other"
        assert store.put_schedule(row)
        assert not store.put_schedule(row)
        assert store.get_schedule("s1") == replace(row, version=2)
        assert not store.put_schedule(replace(row, id="s2"))

    def test_one_name_one_schedule_of_a_kind(self, store: Store) -> None:
        assert store.put_schedule(make_cron_schedule("s1", name="n"))
        assert not store.put_schedule(make_cron_schedule("s2", name="n"))
        assert store.put_schedule(make_cron_schedule("s3", name="n", kind="trigger"))
        assert store.put_schedule(make_cron_schedule("s4"))
        assert store.put_schedule(make_cron_schedule("s5"))

    def test_lists(self, store: Store) -> None:
        for k in range(5):
            put_and_read(
                store,
                make_cron_schedule(f"s{k}", created_at=5 - k, enabled=k != 2, kind="trigger" if k == 4 else "cron"),
            )
        assert [s.id for s in store.list_schedules()] == ["s4", "s3", "s2", "s1", "s0"]
        assert [s.id for s in store.list_schedules("cron", enabled_only=True)] == ["s3", "s1", "s0"]
        assert [s.id for s in store.list_schedules("cron", limit=2, offset=1)] == ["s2", "s1"]
        assert store.list_schedules(limit=0) == store.list_schedules(offset=9) == []

    def test_what_is_due(self, store: Store) -> None:
        for k in range(4):
            put_and_read(store, make_cron_schedule(f"s{k}", next_at=100 - k))
        put_and_read(store, make_cron_schedule("off", enabled=False))
        put_and_read(store, make_cron_schedule("never", next_at=None))
        put_and_read(store, make_cron_schedule("foreign", workflow="unknown", next_at=1))
        put_and_read(store, make_cron_schedule("t", kind="trigger", name="orders", workflow="unknown", next_at=2))
        assert [s.id for s in store.due_schedules("cron", Micros(99), 10, ["orders", "x"])] == ["s3", "s2", "s1"]
        assert [s.id for s in store.due_schedules("cron", Micros(99), 2, ["orders"])] == ["s3", "s2"]
        assert store.next_due_at("cron", ["orders"]) == 97
        assert store.due_schedules("cron", Micros(99), 10, []) == []
        assert store.next_due_at("cron", []) is None
        assert [s.id for s in store.due_schedules("trigger", Micros(99), 10, ["orders"])] == ["t"]
        assert store.next_due_at("trigger", ["orders"]) == 2

    def test_a_firing_writes_schedule_runs_and_fires(self, store: Store) -> None:
        row = put_and_read(store, make_cron_schedule("s1"))
        change = new_run_update("r1", [make_work_row("r1", owner="me", lease_until=9)])
        change.plan = {"of": "r1"}
        new = replace(
            row, settled_at=Micros(200), last_at=Micros(150), next_at=Micros(300),
            last_error="e", workflow="not written", enabled=False,
        )  # fmt: skip
        fires = [fire_row("s1", 150, "started", 160, "r1"), fire_row("s1", 200, "skipped", 160, reason="why")]
        assert store.commit_firings([Firing(new, [change], fires)]) == [True]
        assert store.get_schedule("s1") == replace(new, workflow="orders", enabled=True, version=2)
        assert store.get_run("r1") == change.run
        assert store.work_of_run("r1") == change.work_added
        assert store.get_plan("s1") == {"of": "r1"}
        assert len(store.read_journal("r1")) == 1
        found = store.list_fires("s1", 10)
        assert [f.fire for f in found] == fires[::-1]
        assert [(f.status, f.started_at, f.finished_at) for f in found] == [
            (None, None, None),
            ("running", 1_000, None),
        ]
        assert [f.fire.scheduled_at for f in store.list_fires("s1", 1, 1)] == [150]

    def test_all_of_a_schedule_or_nothing(self, store: Store) -> None:
        good, stale = put_and_read(store, make_cron_schedule("s1")), put_and_read(store, make_cron_schedule("s2"))
        put_and_read(store, replace(stale, next_at=Micros(7)))
        unknown = make_cron_schedule("s3", version=1)
        firings = [
            Firing(row, [new_run_update(f"r-{row.id}")], [fire_row(row.id, 100, "started", 100, f"r-{row.id}")])
            for row in (stale, good, unknown)
        ]
        assert store.commit_firings(firings) == [False, True, False]
        assert [run.id for run in store.iter_runs()] == ["r-s1"]
        assert store.list_fires("s2", 10) == store.list_fires("s3", 10) == []
        row = store.get_schedule("s2")
        assert row is not None
        assert row.next_at == 7
        assert store.commit_firings(firings) == [False, False, False]
        assert store.commit_firings([]) == []

    def test_a_run_row_that_contradicts_its_entries_is_rejected(self, store: Store) -> None:
        row, change = put_and_read(store, make_cron_schedule("s1")), new_run_update("r1")
        change.run.seq = 5
        with pytest.raises(StoreError):
            store.commit_firings([Firing(row, [change], [])])
        assert store.get_schedule("s1") == row

    def test_of_many_who_fire_one_does(self, store: Store) -> None:
        row, together = put_and_read(store, make_cron_schedule("s1")), Barrier(8)

        def fire(k: int) -> bool:
            together.wait(20)
            return store.commit_firings(
                [Firing(row, [new_run_update(f"r{k}")], [fire_row("s1", 100, "started", 100, f"r{k}")])]
            )[0]

        with ThreadPoolExecutor(8) as pool:
            assert sorted(pool.map(fire, range(8))) == [False] * 7 + [True]
        assert len(list(store.iter_runs())) == len(store.list_fires("s1", 10)) == 1

    def test_what_is_not_finished(self, store: Store) -> None:
        row = put_and_read(store, make_cron_schedule("s1"))
        fires = [
            fire_row("s1", 1, "started", 1, "r1", context_hash="h1"),
            fire_row("s1", 2, "started", 1, "r2", context_hash="h2"),
            fire_row("s1", 3, "queued", 1),
            fire_row("s1", 4, "skipped", 1),
            fire_row("s1", 5, "failed", 1),
            fire_row("s1", 6, "requested", 1),
        ]
        assert store.commit_firings([Firing(row, [new_run_update("r1"), new_run_update("r2")], fires)]) == [True]
        assert sorted(store.unfinished_fires(["s1", "s2"]), key=str) == [("s1", "h1"), ("s1", "h2"), ("s1", None)]
        store.commit([run_update("r1", 1, status="completed", finished_at=5)])
        assert sorted(store.unfinished_fires(["s1"]), key=str) == [("s1", "h2"), ("s1", None)]
        store.expire_fires(Micros(0), "")
        assert sorted(store.unfinished_fires(["s1"]), key=str) == [("s1", "h2"), ("s1", None)]
        assert store.unfinished_fires([]) == []

    def test_what_waits_and_may_begin(self, store: Store) -> None:
        row = put_and_read(store, make_cron_schedule("s1", overlap="queue"))
        fires = [fire_row("s1", 1, "started", 1, "r1"), fire_row("s1", 2, "queued", 1), fire_row("s1", 3, "queued", 1)]
        assert not store.has_waiting_fires()
        store.commit_firings([Firing(row, [new_run_update("r1")], fires)])
        assert store.has_waiting_fires()
        assert ready_fire_times(store) == []
        store.commit([run_update("r1", 1, status="failed", finished_at=5)])
        assert ready_fire_times(store) == [2]
        assert store.startable_fires([], 10, max_attempts=3, tried_before=Micros(9), not_before=Micros(0)) == []
        row = put_and_read(store, replace(row, version=2, enabled=False))
        assert ready_fire_times(store) == []
        store.commit_firings(
            [Firing(row, [], [fire_row("s1", 4, "requested", 1), fire_row("s1", 5, "failed", 90, attempts=2)])]
        )
        assert ready_fire_times(store) == [4, 5]
        assert (
            ready_fire_times(store, tried_before=89)
            == ready_fire_times(store, max_attempts=2)
            == ready_fire_times(store, not_before=6)
            == [4]
        )
        row = replace(row, version=row.version + 1)
        taken = fire_row("s1", 4, "started", 7, "r4", attempts=1)
        assert store.commit_firings([Firing(row, [new_run_update("r4")], [taken])]) == [True]
        assert [f.fire for f in store.list_fires("s1", 10) if f.fire.scheduled_at == 4] == [taken]

    def test_what_waited_too_long_is_skipped(self, store: Store) -> None:
        row = put_and_read(store, make_cron_schedule("s1"))
        fires = [fire_row("s1", 1, "queued", 1), fire_row("s1", 2, "failed", 1), fire_row("s1", 9, "queued", 1)]
        store.commit_firings([Firing(row, [], fires)])
        store.expire_fires(Micros(5), "too late")
        found = {f.fire.scheduled_at: (f.fire.state, f.fire.reason) for f in store.list_fires("s1", 10)}
        assert found == {1: ("skipped", "too late"), 2: ("failed", None), 9: ("queued", None)}
        assert ready_fire_times(store) == [9]

    def test_counts(self, store: Store) -> None:
        row = put_and_read(store, make_cron_schedule("s1"))
        trigger = put_and_read(store, make_cron_schedule("t", kind="trigger", name="t"))
        fires = [fire_row("s1", k, "started", 10 + k, f"r{k}") for k in range(3)]
        fires += [fire_row("s1", 5, "failed", 15), fire_row("s1", 6, "skipped", 16), fire_row("s1", 7, "queued", 17)]
        store.commit_firings([Firing(row, [new_run_update(f"r{k}") for k in range(3)], fires)])
        store.commit_firings([Firing(trigger, [new_run_update("r9")], [fire_row("t", 1, "started", 11, "r9")])])
        store.commit(
            [
                run_update("r1", 1, status="completed", finished_at=5),
                run_update("r2", 1, status="failed", finished_at=5),
            ]
        )
        assert store.count_fires(Micros(0), Micros(16)) == FireCounts(total=5, completed=1, finished=2, lost=1)
        assert store.count_fires(Micros(12), Micros(100)) == FireCounts(total=3, completed=0, finished=1, lost=2)
        assert store.count_fires(Micros(99), Micros(100)) == FireCounts(0, 0, 0, 0)

    def test_fires_outlive_their_runs(self, store: Store) -> None:
        row = put_and_read(store, make_cron_schedule("s1", overlap="queue"))
        fires = [fire_row("s1", 1, "started", 11, "r1"), fire_row("s1", 2, "queued", 12)]
        store.commit_firings([Firing(row, [new_run_update("r1")], fires)])
        store.commit([run_update("r1", 1, status="completed", finished_at=5)])
        assert store.prune(Micros(6), (), 9).pruned_count == 1
        assert [(f.fire.run_id, f.status, f.finished_at) for f in store.list_fires("s1", 9)] == [
            (None, None, None),
            ("r1", None, None),
        ]
        counts = store.count_fires(Micros(0), Micros(100))
        assert counts == FireCounts(total=2, completed=0, finished=0, lost=1), "r1 is not lost"
        assert store.unfinished_fires(["s1"]) == [("s1", None)]
        assert ready_fire_times(store) == [2], "nothing stands before it any more"
        store.expire_fires(Micros(0), "")
        assert len(store.list_fires("s1", 9)) == 2

    def test_deleted_with_its_history(self, store: Store) -> None:
        row = put_and_read(store, make_cron_schedule("s1"))
        store.commit_firings([Firing(row, [new_run_update("r1")], [fire_row("s1", 1, "started", 1, "r1")])])
        assert store.delete_schedule("s1")
        assert not store.delete_schedule("s1")
        assert (store.get_schedule("s1"), store.list_fires("s1", 10)) == (None, [])
        assert store.get_run("r1") is not None
        assert store.commit_firings([Firing(row)]) == [False]

    def test_rows_given_and_taken_are_the_callers_own(self, store: Store) -> None:
        row = put_and_read(store, make_cron_schedule("s1"))
        fire = fire_row("s1", 1, "queued", 1)
        store.commit_firings([Firing(row, [], [fire])])
        fire.state = row.workflow = store.list_fires("s1", 1)[0].fire.state = "requested"
        assert store.list_fires("s1", 1)[0].fire.state == "queued"
        found = store.get_schedule("s1")
        assert found is not None
        assert found.workflow == "orders"

    def test_others_hear_of_it(self, place: StoreLocation) -> None:
        if not place.shared:
            pytest.skip("nobody else can see this database")
        ears, other = place.open(), place.open()
        heard: SimpleQueue[Notification] = SimpleQueue()
        assert ears.listen(heard.put)
        if not place.detects_dead_owners:
            assert heard.get(timeout=20).changed_runs is None  # listening begins with a word of what was missed
        row = put_and_read(other, make_cron_schedule("s1"))
        assert heard.get(timeout=20) == Notification(False, frozenset(), schedules_changed=True)
        born = new_run_update("r1", [make_work_row("r1")])
        other.commit_firings([Firing(row, [born], [fire_row("s1", 1, "started", 1, "r1")])])
        assert heard.get(timeout=20) == Notification(True, frozenset())
        other.commit_firings([Firing(replace(row, version=2), [], [fire_row("s1", 2, "queued", 1)])])
        assert heard.get(timeout=20) == Notification(False, frozenset(), schedules_changed=True)
        other.delete_schedule("s1")
        assert heard.get(timeout=20).schedules_changed
        place.close()

    def test_closed(self, place: StoreLocation) -> None:
        store = place.open()
        store.close()
        for call in (
            lambda: store.put_schedule(make_cron_schedule("s1")),
            lambda: store.get_schedule("s1"),
            lambda: store.commit_firings([Firing(make_cron_schedule("s1"))]),
            lambda: store.due_schedules("cron", Micros(1), 1, ["w"]),
        ):
            with pytest.raises(RunnerClosed):
                call()
