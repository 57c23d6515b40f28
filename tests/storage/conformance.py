"""What every store must do, whatever it is made of.

A test module for a store subclasses `Conformance` and gives a fixture `place`: somewhere to open the store under test.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import replace
from queue import SimpleQueue
from threading import Barrier
from typing import Any

import pytest

from holdwater.errors import RunnerClosed, RunNotFound
from holdwater.model.ports.store import Store
from holdwater.model.records import (
    FIRST_CURSOR,
    Committed,
    Conflict,
    Cursor,
    Duplicate,
    JournalRow,
    Notification,
    PruneResult,
    RunFilter,
    RunRow,
    RunUpdate,
    WorkRow,
)
from holdwater.model.time import Micros
from holdwater.storage.notifications import ANYTHING_CHANGED
from tests.storage.factories import make_run_row, make_work_row, new_run_update, run_update

ORDERS = ("orders",)


class StoreLocation:
    """Somewhere to open a store.

    `shared`: a second store opened there sees what the first one wrote..  `detects_dead_owners`: a dead owner is known
    at once, not only when its leases have run out.
    """

    def __init__(self, open_store: Callable[[], Store], shared: bool, detects_dead_owners: bool = True) -> None:
        self.shared, self.detects_dead_owners = shared, detects_dead_owners
        self._open_store = open_store
        self._open_stores = ExitStack()

    def open(self) -> Store:
        return self._open_stores.enter_context(closing(self._open_store()))

    def close(self) -> None:
        self._open_stores.close()


def journal_entries(rows: list[JournalRow]) -> list[Any]:
    return [entry for row in rows for entry in json.loads(row.entries)]


def counts(store: Store, which: RunFilter) -> dict[str, int]:
    found = store.count_runs(which)
    assert not any(number.is_capped for number in found.values())
    return {status: number.count for status, number in found.items()}


def run_ids(rows: list[RunRow] | list[WorkRow]) -> list[str]:
    return [row.id if isinstance(row, RunRow) else row.run_id for row in rows]


class StoreConformance:
    """Subclass it as `Test...`."""

    @pytest.fixture
    def store(self, place: StoreLocation) -> Iterator[Store]:
        yield place.open()
        place.close()

    # -- births and changes

    def test_a_new_run_writes_run_row_journal_and_work(self, store: Store) -> None:
        rows = [
            make_work_row("r1", 0, owner="me", lease_until=9),
            make_work_row("r1", 1, kind="timer", due_at=77, started=True, reclaimed=True, parked=True),
        ]
        head = make_run_row("r1", 2, error="e", reason="r", finished_at=5, paused_at=6, deadline_at=7, status="failed")
        head = replace(head, idempotency_key="k", inputs_digest="d")
        assert store.commit(
            [RunUpdate(head, 0, ['["a",1]', '["b"]'], Micros(1_000), is_new=True, work_added=rows)]
        ) == [Committed()]
        assert store.get_run("r1") == head
        assert store.read_journal("r1") == [JournalRow(1, Micros(1_000), '[["a",1],["b"]]')]
        assert store.work_of_run("r1") == rows

    def test_an_update_changes_run_row_journal_and_work(self, store: Store) -> None:
        store.commit([new_run_update("r1", [make_work_row("r1", 0), make_work_row("r1", 1)], inputs_digest="d")])
        change = run_update(
            "r1",
            1,
            work_removed=[(0, 1)],
            work_added=[make_work_row("r1", 2)],
            started=[(1, 1)],
            status="paused",
            reason="why",
        )
        change.run.inputs_digest = "d"
        assert store.commit([change]) == [Committed()]
        assert store.get_run("r1") == change.run
        assert store.read_journal("r1", 1) == [JournalRow(2, Micros(2_000), '[["succeeded"]]')]
        assert store.work_of_run("r1") == [make_work_row("r1", 1, started=True), make_work_row("r1", 2)]

    def test_an_update_keeps_the_immutable_fields(self, store: Store) -> None:
        store.commit([new_run_update("r1", idempotency_key="k", inputs_digest="d")])
        store.commit([run_update("r1", 1, structure="s2", code="c2")])
        assert store.get_run("r1") == make_run_row(
            "r1", 2, structure="s2", code="c2", idempotency_key="k", inputs_digest="d"
        )

    def test_a_change_without_entries_leaves_the_journal_alone(self, store: Store) -> None:
        store.commit([new_run_update("r1", [make_work_row("r1")])])
        assert store.commit([run_update("r1", 1, [], started=[(0, 1)])]) == [Committed()]
        assert store.work_of_run("r1") == [make_work_row("r1", started=True)]
        assert len(store.read_journal("r1")) == 1

    def test_no_changes_are_no_verdicts(self, store: Store) -> None:
        assert store.commit([]) == []

    def test_what_is_not_there_is_none_or_empty(self, store: Store) -> None:
        assert store.get_run("nobody") is None
        assert store.get_plan("nothing") is None
        assert store.read_journal("nobody") == store.read_journal("nobody", 3) == []
        assert store.work_of_run("nobody") == []

    def test_rows_given_and_taken_are_the_callers_own(self, store: Store) -> None:
        row, change = make_work_row("r1"), new_run_update("r1")
        change.work_added.append(row)
        store.commit([change])
        row.owner = change.run.error = "changed later"
        store.work_of_run("r1")[0].owner = "changed too"
        head = store.get_run("r1")
        assert head is not None
        head.error = "and this"
        assert store.get_run("r1") == make_run_row("r1")
        assert store.work_of_run("r1") == [make_work_row("r1")]

    # -- verdicts

    def test_in_a_mixed_batch_the_good_are_written_and_the_bad_are_not(self, store: Store) -> None:
        store.commit(
            [
                new_run_update("r1", [make_work_row("r1")]),
                new_run_update("r2", [make_work_row("r2")]),
                new_run_update("r3", idempotency_key="k"),
            ]
        )
        again = new_run_update("r5", [make_work_row("r5")], idempotency_key="k")
        again.plan = {"of": "r5"}
        stale = run_update(
            "r2", 0, work_removed=[(0, 1)], work_added=[make_work_row("r2", 7)], parked=True, status="failed"
        )
        stale.plan = {"of": "r2"}
        verdicts = store.commit(
            [
                run_update("r1", 1, work_removed=[(0, 1)]),
                stale,
                new_run_update("r4"),
                again,
                run_update("unknown", 3),
                new_run_update("r1", [make_work_row("r1", 9)]),
            ]
        )
        assert verdicts == [
            Committed(), Conflict(), Committed(),
            Duplicate(make_run_row("r3", idempotency_key="k")), Conflict(), Conflict(),
        ]  # fmt: skip
        assert store.get_run("r1") == make_run_row("r1", 2)
        assert store.work_of_run("r1") == []
        assert (store.get_run("r2"), store.work_of_run("r2"), len(store.read_journal("r2"))) == (
            make_run_row("r2"),
            [make_work_row("r2")],
            1,
        )
        assert store.get_run("r4") == make_run_row("r4")
        assert (store.get_run("r5"), store.read_journal("r5"), store.work_of_run("r5")) == (None, [], [])
        assert (store.get_run("unknown"), store.read_journal("unknown")) == (None, [])
        assert store.get_plan("s1") is None

    @pytest.mark.parametrize("expected", [0, 1, 3])
    def test_another_number_of_entries_is_a_conflict(self, store: Store, expected: int) -> None:
        store.commit([new_run_update("r1", entries=["[1]", "[2]"])])
        assert store.commit([run_update("r1", expected)]) == [Conflict()]
        assert store.get_run("r1") == make_run_row("r1", 2)

    def test_a_key_is_taken_once_per_workflow(self, store: Store) -> None:
        first, other = (
            new_run_update("r1", idempotency_key="k"),
            new_run_update("r2", idempotency_key="k", workflow="bills"),
        )
        assert store.commit([first, other]) == [Committed(), Committed()]
        store.commit([run_update("r1", 1, status="completed", finished_at=8)])
        head = store.get_run("r1")
        assert head is not None
        assert store.commit([new_run_update("r3", idempotency_key="k")]) == [Duplicate(head)]

    def test_a_key_is_taken_once_within_a_batch(self, store: Store) -> None:
        births = [
            new_run_update("r1", idempotency_key="k"),
            new_run_update("r2", idempotency_key="k"),
            new_run_update("r3"),
        ]
        assert store.commit(births) == [Committed(), Duplicate(births[0].run), Committed()]
        assert store.get_run("r2") is None

    def test_a_repeated_new_run_is_found_by_its_idempotency_key(self, store: Store) -> None:
        store.commit([new_run_update("r1", idempotency_key="k")])
        assert store.commit([new_run_update("r1", idempotency_key="k")]) == [
            Duplicate(make_run_row("r1", idempotency_key="k"))
        ]

    def test_an_idempotency_key_is_not_taken_by_a_rejected_run(self, store: Store) -> None:
        store.commit([new_run_update("r1")])
        births = [new_run_update("r1", idempotency_key="k"), new_run_update("r2", idempotency_key="k")]
        assert store.commit(births) == [Conflict(), Committed()]

    def test_eight_threads_commit_at_once(self, store: Store) -> None:
        together = Barrier(8)

        def live(thread: int) -> list[Any]:
            together.wait()
            verdicts = []
            for i in range(25):
                name = f"r{thread}-{i}"
                verdicts += store.commit([new_run_update(name, [make_work_row(name)])])
                verdicts += store.commit([run_update(name, 1, work_removed=[(0, 1)])])
            return verdicts

        with ThreadPoolExecutor(8) as pool:
            assert all(v == Committed() for verdicts in pool.map(live, range(8)) for v in verdicts)
        assert len(store.list_runs(RunFilter(limit=1_000))) == 200

    def test_of_threads_that_decide_on_the_same_journal_one_wins(self, store: Store) -> None:
        store.commit([new_run_update("r1")])
        together = Barrier(8)

        def decide(thread: int) -> Any:
            together.wait()
            return store.commit([run_update("r1", 1, [f"[{thread}]"])])[0]

        with ThreadPoolExecutor(8) as pool:
            verdicts = list(pool.map(decide, range(8)))
        assert sorted(map(str, verdicts)) == ["Committed()"] + ["Conflict()"] * 7
        assert journal_entries(store.read_journal("r1", 1)) == [[verdicts.index(Committed())]]

    # -- plans

    def test_a_plan_is_stored_with_the_first_change_that_brings_it(self, store: Store) -> None:
        change, later = new_run_update("r1"), run_update("r1", 1, structure="s2")
        change.plan, later.plan = {"nodes": [1, {"a": None}], "x": "ü\u0000"}, {"second": True}
        store.commit([change])
        store.commit([later])
        assert store.get_plan("s1") == change.plan
        assert store.get_plan("s2") == later.plan

    def test_the_plan_of_a_structure_stays(self, store: Store) -> None:
        first, second, third = new_run_update("r1"), new_run_update("r2"), new_run_update("r3")
        first.plan, second.plan, third.plan = {"n": 1}, {"n": 2}, {"n": 3}
        store.commit([first, second])
        store.commit([third])
        assert store.get_plan("s1") == {"n": 1}

    # -- journals

    def test_a_tail_begins_after_the_entry_named(self, store: Store) -> None:
        store.commit([new_run_update("r1", entries=["[1]", '["],[",2]', '{"3":[[]]}'])])
        store.commit([run_update("r1", 3, ["[4]"], at=2_000)])
        store.commit([run_update("r1", 4, ["[5]", "[6]"], at=3_000)])
        everything: list[Any] = [[1], ["],[", 2], {"3": [[]]}, [4], [5], [6]]
        for after in range(8):
            rows = store.read_journal("r1", after)
            assert journal_entries(rows) == everything[after:]
            assert not rows or rows[0].seq == after + 1
        assert [(row.seq, row.at) for row in store.read_journal("r1", 1)] == [(2, 1_000), (4, 2_000), (5, 3_000)]

    @pytest.mark.parametrize(
        "text", ["ä€𝄞\u2028", "\u0000 NUL", "\ud800 lone", "'; DROP TABLE runs; --", "\\u0000", "%s ? :x $1", "\x1b[0m"]
    )
    def test_any_text_survives_in_an_entry(self, store: Store, text: str) -> None:
        store.commit([new_run_update("r1", entries=[json.dumps([text])])])
        assert journal_entries(store.read_journal("r1")) == [[text]]

    @pytest.mark.parametrize("text", ["ä€𝄞", "'; DROP TABLE runs; --", "%s ? :x $1 \\"])
    def test_any_text_survives_in_a_run_row(self, store: Store, text: str) -> None:
        head: dict[str, Any] = dict(workflow=text, error=text, reason=text, idempotency_key=text)
        store.commit([new_run_update(text, **head)])
        assert store.get_run(text) == make_run_row(text, **head)
        assert run_ids(store.list_runs(RunFilter(workflow=text))) == [text]

    def test_a_lone_surrogate_in_an_error_is_escaped(self, store: Store) -> None:
        verdicts = store.commit(
            [new_run_update("r1", error="bad \udcff name", idempotency_key="\ud800"), new_run_update("r2")]
        )
        assert verdicts == [Committed(), Committed()]
        head = store.get_run("r1")
        assert head is not None
        assert head.error is not None
        assert head.error.startswith("bad ")
        (verdict,) = store.commit([new_run_update("r3", idempotency_key="\ud800")])
        assert isinstance(verdict, Duplicate)
        assert store.get_run("\ud800") is None

    def test_large_entries_survive(self, store: Store) -> None:
        big = json.dumps(["x" * 10_000_000])
        store.commit([new_run_update("r1", entries=[big, "[2]"])])
        store.commit([run_update("r1", 2, [big])])
        assert journal_entries(store.read_journal("r1")) == [json.loads(big), [2], json.loads(big)]
        assert journal_entries(store.read_journal("r1", 1)) == [[2], json.loads(big)]

    # -- claims

    def test_a_claim_takes_the_oldest_due_first(self, store: Store) -> None:
        due = {"r1": 30, "r2": 10, "r3": 20}
        store.commit([new_run_update(r, [make_work_row(r, due_at=at)]) for r, at in due.items()])
        taken = store.claim_work("me", Micros(500), Micros(30), 2, ORDERS)
        assert taken == [make_work_row("r2", due_at=10), make_work_row("r3", due_at=20)]
        assert store.work_of_run("r2") == [make_work_row("r2", due_at=10, owner="me", lease_until=500)]
        assert run_ids(store.claim_work("me", Micros(500), Micros(30), 9, ORDERS)) == ["r1"]

    @pytest.mark.parametrize("kind", ["timer", "children"])
    def test_what_needs_no_slot_is_claimed_when_it_is_due(self, store: Store, kind: str) -> None:
        store.commit([new_run_update("r1", [make_work_row("r1", kind=kind, due_at=99)])])
        for bodies in (True, False):
            assert store.claim_work("me", Micros(500), Micros(98), 9, ORDERS, include_tasks=bodies) == []
            assert store.claim_work("me", Micros(500), Micros(98), 9, ORDERS, "r1", include_tasks=bodies) == []
        assert run_ids(store.claim_work("me", Micros(500), Micros(99), 9, ORDERS)) == ["r1"]

    @pytest.mark.parametrize("under", [None, "r1"])
    @pytest.mark.parametrize("ahead", [1, 1 << 60])
    def test_task_work_is_claimed_even_if_its_due_time_is_in_the_future(
        self, store: Store, ahead: int, under: str | None
    ) -> None:
        """They were due when they were written, by a clock that has been set back since."""
        rows = [
            make_work_row("r1", 0, due_at=100 + ahead),
            make_work_row("r1", 1, due_at=7),
            make_work_row("r1", 2, kind="timer", due_at=101),
        ]
        store.commit([new_run_update("r1", rows)])
        assert store.claim_work("me", Micros(500), Micros(100), 9, ORDERS, under) == [rows[1], rows[0]]

    def test_a_claim_has_a_limit_for_bodies_and_for_the_others(self, store: Store) -> None:
        """What needs no slot takes none away from bodies, however much of it there is, and however old."""
        timers = [make_work_row("r1", node, kind="timer", due_at=node) for node in range(4)]
        rows = [make_work_row("r1", 4 + node, due_at=50 + node) for node in range(4)]
        store.commit([new_run_update("r1", [*timers, *rows])])
        assert store.claim_work("me", Micros(500), Micros(100), 3, ORDERS) == [*timers[:3], *rows[:3]]
        assert store.claim_work("me", Micros(500), Micros(100), 3, ORDERS) == [timers[3], rows[3]]

    def test_work_due_at_once_is_claimed_in_the_order_of_runs_and_nodes(self, store: Store) -> None:
        store.commit(
            [
                new_run_update("r2", [make_work_row("r2", 1), make_work_row("r2", 0)]),
                new_run_update("r1", [make_work_row("r1", 5)]),
            ]
        )
        assert [(w.run_id, w.node) for w in store.claim_work("me", Micros(500), Micros(100), 9, ORDERS)] == [
            ("r1", 5),
            ("r2", 0),
            ("r2", 1),
        ]

    def test_a_claim_passes_over_what_is_owned_parked_or_unknown(self, store: Store) -> None:
        store.commit(
            [
                new_run_update("r1", [make_work_row("r1", owner="other", lease_until=1)]),
                new_run_update("r2", [make_work_row("r2", parked=True)]),
                new_run_update("r3", [make_work_row("r3", workflow="bills")], workflow="bills"),
                new_run_update("r4", [make_work_row("r4", started=True, reclaimed=True)]),
            ]
        )
        assert store.claim_work("me", Micros(500), Micros(100), 9, ["orders", "mails"]) == [
            make_work_row("r4", started=True, reclaimed=True)
        ]
        assert store.claim_work("me", Micros(500), Micros(100), 9, []) == []
        assert run_ids(store.claim_work("me", Micros(500), Micros(100), 9, {"bills", "'"})) == ["r3"]

    def test_a_claim_passes_over_bodies_there_is_no_slot_for(self, store: Store) -> None:
        timer = make_work_row("r1", 1, kind="timer", due_at=4)
        mine = [
            make_work_row("r1", 0, due_at=1),
            make_work_row("r1", 2, kind="children", due_at=9),
            make_work_row("r1", 3, due_at=2),
        ]
        mail = make_work_row("r2", 0, workflow="mails", due_at=0)
        store.commit([new_run_update("r1", [*mine, timer]), new_run_update("r2", [mail], workflow="mails")])
        names = ["orders", "mails"]
        full = [("orders", node) for node in range(3)]
        claimed = store.claim_work("me", Micros(500), Micros(5), 9, names, excluded_nodes=full)
        assert [(w.run_id, w.node) for w in claimed] == [
            ("r2", 0), ("r1", 3), ("r1", 1),
        ]  # fmt: skip
        assert [
            (w.run_id, w.node) for w in store.claim_work("me", Micros(500), Micros(9), 9, names, include_tasks=False)
        ] == [("r1", 2)]
        assert [(w.run_id, w.node) for w in store.claim_work("me", Micros(500), Micros(9), 9, names)] == [("r1", 0)]

    @pytest.mark.parametrize("limit", [0, -1])
    def test_a_claim_of_no_more_than_some_timers(self, store: Store, limit: int) -> None:
        store.commit([new_run_update("r1", [make_work_row("r1", node, kind="timer") for node in range(3)])])
        assert store.claim_work("me", Micros(500), Micros(100), limit, ORDERS, include_tasks=False) == []
        assert len(store.claim_work("me", Micros(500), Micros(100), 2, ORDERS, include_tasks=False)) == 2
        assert store.claim_work("me", Micros(500), Micros(100), 9, ["mails"], include_tasks=False) == []

    def test_released_work_is_not_started_unless_it_was_reclaimed(self, store: Store) -> None:
        rows = [
            make_work_row("r1", 0, owner="me", started=True),
            make_work_row("r1", 1, owner="me", started=True, reclaimed=True),
        ]
        store.commit([new_run_update("r1", rows)])
        store.release_work("me", rows)
        assert store.work_of_run("r1") == [make_work_row("r1", 0), make_work_row("r1", 1, started=True, reclaimed=True)]

    @pytest.mark.parametrize("limit", [0, -1])
    def test_a_claim_of_nothing_takes_nothing(self, store: Store, limit: int) -> None:
        store.commit([new_run_update("r1", [make_work_row("r1")])])
        assert store.claim_work("me", Micros(500), Micros(100), limit, ORDERS) == []
        assert store.work_of_run("r1") == [make_work_row("r1")]

    def test_reclaimed_work_stays_marked_as_started_when_claimed(self, store: Store) -> None:
        store.commit([new_run_update("r1", [make_work_row("r1", owner="dead", started=True)])])
        store.reclaim_expired(Micros(100))
        assert store.claim_work("me", Micros(500), Micros(100), 9, ORDERS) == [
            make_work_row("r1", started=True, reclaimed=True)
        ]

    def test_claimers_in_threads_never_get_one_row_twice(self, store: Store) -> None:
        store.commit([new_run_update(f"r{i:03}", [make_work_row(f"r{i:03}")]) for i in range(200)])
        together = Barrier(4)

        def claim(thread: int) -> list[str]:
            together.wait()
            mine: list[str] = []
            while taken := store.claim_work(f"owner {thread}", Micros(500), Micros(100), 7, ORDERS):
                mine += run_ids(taken)
            return mine

        with ThreadPoolExecutor(4) as pool:
            taken = [run_id for mine in pool.map(claim, range(4)) for run_id in mine]
        assert sorted(taken) == [f"r{i:03}" for i in range(200)]

    def test_released_work_is_free_again(self, store: Store) -> None:
        store.commit([new_run_update("r1", [make_work_row("r1", reclaimed=True), make_work_row("r1", 1)])])
        taken = store.claim_work("me", Micros(500), Micros(100), 9, ORDERS)
        store.release_work("me", taken[:1])
        assert store.work_of_run("r1") == [
            make_work_row("r1", reclaimed=True),
            make_work_row("r1", 1, owner="me", lease_until=500),
        ]
        assert store.claim_work("you", Micros(600), Micros(100), 9, ORDERS) == taken[:1]

    def test_only_the_owner_releases(self, store: Store) -> None:
        store.commit([new_run_update("r1", [make_work_row("r1")])])
        taken = store.claim_work("me", Micros(500), Micros(100), 9, ORDERS)
        store.release_work("you", taken)
        store.release_work("me", [])
        store.release_work("me", [make_work_row("r1", 8), make_work_row("nobody")])
        assert store.work_of_run("r1") == [make_work_row("r1", owner="me", lease_until=500)]

    def test_parking_and_unparking_affect_unowned_work_only(self, store: Store) -> None:
        owned = make_work_row("r1", 0, owner="me", lease_until=5)
        store.commit(
            [new_run_update("r1", [owned, make_work_row("r1", 1)]), new_run_update("r2", [make_work_row("r2")])]
        )
        store.commit([run_update("r1", 1, parked=True, status="paused", work_added=[make_work_row("r1", 2)])])
        assert store.work_of_run("r1") == [
            owned,
            make_work_row("r1", 1, parked=True),
            make_work_row("r1", 2, parked=True),
        ]
        assert run_ids(store.claim_work("me", Micros(500), Micros(100), 9, ORDERS)) == ["r2"]
        store.commit([run_update("r1", 2, parked=False)])
        assert store.work_of_run("r1") == [owned, make_work_row("r1", 1), make_work_row("r1", 2)]

    def test_what_comes_back_to_a_paused_run_is_parked(self, store: Store) -> None:
        rows = [make_work_row("r1", 0, owner="me"), make_work_row("r1", 1, owner="dead")]
        store.register_owner("me")
        store.commit([new_run_update("r1", rows)])
        store.commit([run_update("r1", 1, parked=True, status="paused")])
        store.release_work("me", rows[:1])
        store.reclaim_expired(Micros(100))
        assert store.work_of_run("r1") == [
            make_work_row("r1", 0, parked=True),
            make_work_row("r1", 1, parked=True, reclaimed=True),
        ]
        assert store.claim_work("me", Micros(500), Micros(100), 9, ORDERS) == []

    # -- owners

    def test_the_work_of_an_owner_that_is_not_alive_is_taken(self, place: StoreLocation, store: Store) -> None:
        store.commit(
            [new_run_update("r1", [make_work_row("r1", owner="dead", lease_until=999), make_work_row("r1", 1)])]
        )
        assert store.reclaim_expired(Micros(100)) == (1 if place.detects_dead_owners else 0)
        store.reclaim_expired(Micros(1000))
        assert store.work_of_run("r1") == [make_work_row("r1", reclaimed=True), make_work_row("r1", 1)]
        assert store.reclaim_expired(Micros(100)) == 0

    def test_the_work_of_a_live_owner_stays_until_it_unregisters(self, place: StoreLocation, store: Store) -> None:
        store.register_owner("me")
        store.register_owner("me")
        store.commit([new_run_update("r1", [make_work_row("r1", owner="me", lease_until=999)])])
        assert store.reclaim_expired(Micros(1000)) == 0
        store.unregister_owner("me")
        assert store.reclaim_expired(Micros(100 if place.detects_dead_owners else 1000)) == 1

    def test_unregistering_a_stranger_does_nothing(self, store: Store) -> None:
        store.unregister_owner("nobody")

    @pytest.mark.parametrize("owner", ["a/b", "../up", "host:1 ü", "x" * 60, "."])
    def test_an_owner_may_have_any_name(self, store: Store, owner: str) -> None:
        store.register_owner(owner)
        store.commit([new_run_update("r1", [make_work_row("r1", owner=owner)])])
        assert store.reclaim_expired(Micros(100)) == 0
        store.unregister_owner(owner)
        assert store.reclaim_expired(Micros(100)) == 1

    def test_owners_of_another_store_keep_what_they_renew(self, place: StoreLocation, store: Store) -> None:
        if not place.shared:
            pytest.skip("nobody else sees this store")
        second = place.open()
        second.register_owner("they")
        store.commit(
            [
                new_run_update(
                    "r1",
                    [
                        make_work_row("r1", 0, owner="they", lease_until=99),
                        make_work_row("r1", 1, owner="they", lease_until=101),
                    ],
                )
            ]
        )
        if place.detects_dead_owners:  # it lives, and so it only has not come to renewing
            assert store.reclaim_expired(Micros(100)) == 0
        else:
            assert store.reclaim_expired(Micros(100)) == 1
            assert [(w.owner, w.reclaimed) for w in store.work_of_run("r1")] == [(None, True), ("they", False)]
        second.renew_leases("they", Micros(200))
        assert store.reclaim_expired(Micros(150)) == 0
        second.close()
        assert store.reclaim_expired(Micros(150 if place.detects_dead_owners else 201)) == (
            2 if place.detects_dead_owners else 1
        )

    def test_a_store_does_not_reclaim_from_its_own_owners(self, store: Store) -> None:
        store.register_owner("me")
        store.commit([new_run_update("r1", [make_work_row("r1", owner="me", lease_until=1)])])
        assert store.reclaim_expired(Micros(10**15)) == 0

    def test_renewing_extends_every_lease_of_the_owner(self, store: Store) -> None:
        store.commit(
            [
                new_run_update(r, [make_work_row(r, owner=o, lease_until=5)])
                for r, o in (("r1", "me"), ("r2", "me"), ("r3", "you"))
            ]
        )
        store.renew_leases("me", Micros(700))
        store.renew_leases("nobody", Micros(900))
        assert [store.work_of_run(r)[0].lease_until for r in ("r1", "r2", "r3")] == [700, 700, 5]

    # -- lists

    def test_unfinished_runs_past_their_deadline_are_overdue(self, store: Store) -> None:
        store.commit(
            [
                new_run_update("r1", deadline_at=50, workflow="bills"),
                new_run_update("r2", deadline_at=40),
                new_run_update("r3", deadline_at=60),
                new_run_update("r4", deadline_at=10, finished_at=9, status="completed"),
                new_run_update("r5"),
                new_run_update(
                    "r6", [make_work_row("r6", owner="me", lease_until=5), make_work_row("r6", 1)], deadline_at=10
                ),  # left to its owner
            ]
        )
        assert store.overdue_runs(Micros(50)) == [("r2", "orders", 40), ("r1", "bills", 50)]
        store.commit([run_update("r2", 1, deadline_at=40, finished_at=45, status="failed")])
        assert store.overdue_runs(Micros(39)) == []
        assert store.overdue_runs(Micros(60)) == [("r1", "bills", 50), ("r3", "orders", 60)]

    def test_runs_are_listed_newest_first_by_what_is_asked(self, store: Store) -> None:
        kinds = [("orders", "running"), ("bills", "running"), ("orders", "failed"), ("orders", "running")]
        store.commit([new_run_update(f"r{i}", workflow=w, status=s) for i, (w, s) in enumerate(kinds)])
        assert run_ids(store.list_runs(RunFilter())) == ["r3", "r2", "r1", "r0"]
        assert run_ids(store.list_runs(RunFilter(workflow="orders"))) == ["r3", "r2", "r0"]
        assert run_ids(store.list_runs(RunFilter(status="running"))) == ["r3", "r1", "r0"]
        assert run_ids(store.list_runs(RunFilter(workflow="orders", status="running", before_id="r3"))) == ["r0"]
        assert run_ids(store.list_runs(RunFilter(workflow="%"))) == []
        assert store.list_runs(RunFilter(limit=0)) == []

    def test_pages_follow_each_other(self, store: Store) -> None:
        store.commit([new_run_update(f"r{i}") for i in range(7)])
        pages, before = [], None
        while page := store.list_runs(RunFilter(limit=3, before_id=before)):
            pages.append(run_ids(page))
            before = page[-1].id
        assert pages == [["r6", "r5", "r4"], ["r3", "r2", "r1"], ["r0"]]

    def test_runs_are_listed_by_created_at_whatever_their_ids(self, store: Store) -> None:
        born = {"zebra": 1, "ant": 3, "Mule": 2, "ant/m.0.10": 4, "ant/m.0.9": 4, "bee": 4}
        store.commit(
            [
                new_run_update(r, created_at=at, parent_id="ant" if "/" in r else None)
                for r, at in reversed(born.items())
            ]
        )
        everything = ["bee", "ant/m.0.9", "ant/m.0.10", "ant", "Mule", "zebra"]
        assert run_ids(store.list_runs(RunFilter())) == everything
        assert [row.id for row in store.iter_runs()] == everything[::-1]
        for i, run_id in enumerate(everything):
            assert run_ids(store.list_runs(RunFilter(before_id=run_id, limit=2))) == everything[i + 1 : i + 3]
        top = RunFilter(top_level=True, limit=2)
        assert run_ids(store.list_runs(top)) == ["bee", "ant"]
        assert run_ids(store.list_runs(replace(top, before_id="ant"))) == ["Mule", "zebra"]
        assert run_ids(store.list_runs(RunFilter(parent_id="ant"))) == ["ant/m.0.9", "ant/m.0.10"]
        assert run_ids(store.list_runs(RunFilter(parent_id="ant", before_id="ant/m.0.9"))) == ["ant/m.0.10"]
        assert run_ids(store.list_runs(RunFilter(parent_id="bee"))) == []
        assert run_ids(store.list_runs(RunFilter(parent_id="ant", top_level=True))) == []

    def test_a_page_before_an_unknown_run_is_an_error(self, store: Store) -> None:
        with pytest.raises(RunNotFound, match="nobody"):
            store.list_runs(RunFilter(before_id="nobody"))

    def test_ids_are_found_by_their_beginning(self, store: Store) -> None:
        names = ["day-1", "day-2", "day-\U00010000", "daz", "day-1/m.0.0", "day-1/m.0.0/n.0.3", "Day-3"]
        parents = {"day-1/m.0.0": "day-1", "day-1/m.0.0/n.0.3": "day-1/m.0.0", "daz": "Day-3"}
        store.commit([new_run_update(name, parent_id=parents.get(name)) for name in names])
        assert store.find_by_prefix("day-", 9) == ["day-1", "day-2", "day-\U00010000"]
        assert store.find_by_prefix("day-", 1) == ["day-1"]
        assert store.find_by_prefix("day-1", 9) == ["day-1"]
        assert store.find_by_prefix("day-1/", 9) == ["day-1/m.0.0"]
        assert store.find_by_prefix("day-1/m.0.0/", 9) == ["day-1/m.0.0/n.0.3"]
        assert store.find_by_prefix("daz", 9) == ["daz"], "a child whose parent is called otherwise"
        assert store.find_by_prefix("x", 9) == store.find_by_prefix("day-", 0) == []
        assert store.find_by_prefix("%", 9) == store.find_by_prefix("\ud800", 9) == []

    def test_ids_are_found_by_their_end(self, store: Store) -> None:
        names = ["day-1", "night-1", "day-2", "day-1/m.0.1", "\U00010000-1", "called-4"]
        parents = {"day-1/m.0.1": "day-1", "called-4": "day-1"}
        store.commit([new_run_update(name, parent_id=parents.get(name)) for name in names])
        assert store.find_by_suffix("-1", 9) == ["day-1", "night-1", "\U00010000-1"], "a child goes by its whole id"
        assert store.find_by_suffix("-1", 1) == ["day-1"]
        assert store.find_by_suffix("day-2", 9) == store.find_by_suffix("2", 9) == ["day-2"]
        assert store.find_by_suffix("-3", 9) == store.find_by_suffix("%", 9) == store.find_by_suffix("1", 0) == []
        assert store.find_by_suffix("a day-2", 9) == [], "longer than the id"
        assert store.find_by_suffix("-4", 9) == ["called-4"], "a child that a task function has started"

    def test_runs_are_listed_and_counted_since_an_instant(self, store: Store) -> None:
        kinds = [("orders", "running"), ("bills", "paused"), ("orders", "failed"), ("orders", "running")]
        born = [new_run_update(f"r{i}", workflow=w, status=s, created_at=10 * i) for i, (w, s) in enumerate(kinds)]
        store.commit([*born, new_run_update("r3/m.0.1", created_at=40, parent_id="r3")])
        assert run_ids(store.list_runs(RunFilter(since=Micros(10)))) == ["r3/m.0.1", "r3", "r2", "r1"]
        assert run_ids(store.list_runs(RunFilter(since=Micros(11), top_level=True))) == ["r3", "r2"]
        assert run_ids(store.list_runs(RunFilter(since=Micros(11), status="running", top_level=True))) == ["r3"]
        assert (
            run_ids(store.list_runs(RunFilter(since=Micros(41))))
            == run_ids(store.list_runs(RunFilter(since=Micros(41), parent_id="r3")))
            == []
        )
        assert run_ids(store.list_runs(RunFilter(since=Micros(40), parent_id="r3"))) == ["r3/m.0.1"]
        assert counts(store, RunFilter(limit=1, offset=3, before_id="r1")) == {
            "running": 3,
            "paused": 1,
            "failed": 1,
        }
        assert counts(store, RunFilter(since=Micros(11), top_level=True)) == {"running": 1, "failed": 1}
        assert counts(store, RunFilter(workflow="orders", status="running")) == {"running": 3}
        assert counts(store, RunFilter(parent_id="r3")) == {"running": 1}
        assert counts(store, RunFilter(workflow="unknown")) == {}

    @pytest.mark.parametrize("which", [RunFilter(), RunFilter(top_level=True), RunFilter(status="running")])
    def test_a_page_may_begin_at_an_offset(self, store: Store, which: RunFilter) -> None:
        store.commit([new_run_update(f"r{i}") for i in range(7)])
        assert run_ids(store.list_runs(replace(which, offset=5))) == ["r1", "r0"]
        assert run_ids(store.list_runs(replace(which, offset=2, limit=2))) == ["r4", "r3"]
        assert run_ids(store.list_runs(replace(which, offset=1, limit=2, before_id="r4"))) == ["r2", "r1"]
        assert store.list_runs(replace(which, offset=7)) == []

    def test_work_of_several_runs_is_read_together(self, store: Store) -> None:
        store.commit(
            [
                new_run_update("a", [make_work_row("a", 1), make_work_row("a", 0)]),
                new_run_update("b"),
                new_run_update("c", [make_work_row("c")]),
            ]
        )
        found = store.work_of_runs(["a", "b", "unknown", "c"])
        assert {run_id: [w.node for w in rows] for run_id, rows in found.items()} == {"a": [0, 1], "c": [0]}
        assert store.work_of_runs([]) == {}

    def test_every_run_is_given_once_oldest_first(self, store: Store) -> None:
        names = [f"r{i:04}" for i in range(1_203)]
        store.commit([new_run_update(name) for name in names])
        assert [r.id for r in store.iter_runs()] == names
        assert run_ids(store.list_runs(RunFilter(limit=5_000))) == names[::-1][:1_000]

    def test_runs_may_change_while_all_are_read(self, store: Store) -> None:
        store.commit([new_run_update(f"r{i:04}") for i in range(600)])
        seen = []
        for head in store.iter_runs():
            seen.append(head.id)
            store.commit([run_update(head.id, 1)])
        assert len(seen) == 600

    # -- the end

    def test_what_was_committed_is_there_when_the_store_is_opened_again(
        self, place: StoreLocation, store: Store
    ) -> None:
        if not place.shared:
            pytest.skip("it is gone with the store")
        change = new_run_update("r1", [make_work_row("r1")])
        change.plan = {"n": 1}
        store.commit([change])
        store.close()
        again = place.open()
        assert again.get_run("r1") == make_run_row("r1")
        assert (again.get_plan("s1"), again.work_of_run("r1"), len(again.read_journal("r1"))) == (
            {"n": 1},
            [make_work_row("r1")],
            1,
        )

    @pytest.mark.parametrize(
        "call",
        [
            lambda s: s.register_owner("me"),
            lambda s: s.unregister_owner("me"),
            lambda s: s.reclaim_expired(1),
            lambda s: s.renew_leases("me", 1),
            lambda s: s.commit([]),
            lambda s: s.commit([new_run_update("r1")]),
            lambda s: s.claim_work("me", 1, 1, 1, ORDERS),
            lambda s: s.release_work("me", []),
            lambda s: s.get_run("r1"),
            lambda s: s.list_runs(RunFilter()),
            lambda s: s.get_plan("s1"),
            lambda s: s.read_journal("r1"),
            lambda s: s.work_of_run("r1"),
            lambda s: s.overdue_runs(1),
            lambda s: s.iter_runs(),
            lambda s: s.find_by_prefix("r", 1),
            lambda s: s.prune(1, (), 1),
        ],
    )
    def test_a_closed_store_refuses_every_call(self, store: Store, call: Callable[[Store], Any]) -> None:
        store.close()
        store.close()
        with pytest.raises(RunnerClosed, match="closed"):
            call(store)

    # -- descent

    def test_a_run_keeps_whom_it_came_from(self, store: Store) -> None:
        store.commit(
            [new_run_update("r1"), new_run_update("r2", parent_id="r1"), new_run_update("r3", forked_from="r1")]
        )
        store.commit([run_update("r2", 1)])
        child, fork = store.get_run("r2"), store.get_run("r3")
        assert child is not None
        assert fork is not None
        assert (child.parent_id, child.forked_from) == ("r1", None)
        assert (fork.parent_id, fork.forked_from) == (None, "r1")
        assert run_ids(store.list_runs(RunFilter(parent_id="r1"))) == ["r2"]
        assert run_ids(store.list_runs(RunFilter(parent_id="r1", before_id="r2"))) == []

    def test_orphaned_children_are_unfinished_children_of_ended_runs(self, store: Store) -> None:
        store.commit(
            [
                new_run_update("r1"),
                new_run_update("r2", parent_id="r1"),
                new_run_update("r3", parent_id="r1", finished_at=3),
            ]
        )
        store.commit([new_run_update("r4"), new_run_update("r5", parent_id="r4")])
        assert store.orphaned_children() == []
        store.commit([run_update("r1", 1, finished_at=5, status="cancelled")])
        assert store.orphaned_children() == [("r2", "orders")]

    def test_a_run_keeps_why_it_exists(self, store: Store) -> None:
        labels = '{"env":"prod","team":"d\u00e4ta"}'
        trace = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
        facts: dict[str, Any] = dict(origin="cli", started_by="cli:alice", labels_json=labels, traceparent=trace)
        store.commit([new_run_update("r1", **facts), new_run_update("r2")])
        store.commit([run_update("r1", 1, origin="api", started_by="", labels_json=None)])
        run, plain = store.get_run("r1"), store.get_run("r2")
        assert run is not None
        assert plain is not None
        assert (run.origin, run.started_by, run.traceparent) == ("cli", "cli:alice", trace), "set at birth"
        assert run.labels == {"env": "prod", "team": "d\u00e4ta"}
        assert (plain.origin, plain.started_by, plain.labels, plain.traceparent) == ("", "", {}, None)
        assert store.read_runs(["r1"])["r1"].row == run == store.list_runs(RunFilter())[1] == next(store.iter_runs())

    # -- forgetting

    def test_prune_deletes_runs_that_ended_before_an_instant_with_all_their_rows(self, store: Store) -> None:
        old = new_run_update("old", [make_work_row("old")], finished_at=10, status="failed", idempotency_key="k")
        old.plan = {"n": 1}
        store.commit(
            [
                old,
                new_run_update("late", finished_at=20, status="completed"),
                new_run_update("open", [make_work_row("open")]),
            ]
        )
        store.commit(
            [new_run_update("fork", forked_from="old"), run_update("late", 1, finished_at=20, status="completed")]
        )
        assert store.prune(Micros(20), (), 9) == PruneResult(1, None)
        assert (store.get_run("old"), store.read_journal("old"), store.work_of_run("old")) == (None, [], [])
        assert [row.id for row in store.iter_runs()] == ["fork", "late", "open"]
        assert store.read_runs(["old", "fork"])["fork"].journal_rows == store.read_journal("fork") != []
        assert store.get_plan("s1") == {"n": 1}, "a runner may start a run of it and not say it again"
        assert store.commit([new_run_update("new", idempotency_key="k"), new_run_update("old")]) == [
            Committed(),
            Committed(),
        ]
        assert journal_entries(store.read_journal("old")) == [["started", {}]]

    def test_prune_deletes_a_run_with_its_descendants_and_no_other(self, store: Store) -> None:
        def over(run_id: str, parent: str | None = None, at: int = 5) -> RunUpdate:
            return new_run_update(run_id, finished_at=at, status="completed", parent_id=parent)

        store.commit([over("a"), over("a/1", "a"), over("a/1/1", "a/1", at=999), over("a/2", "a")])
        store.commit([over("b"), over("b/1", "b"), new_run_update("b/1/1", parent_id="b/1")])
        store.commit([over("c"), over("c/1", "c"), over("d"), over("d/1", "d")])
        store.commit([new_run_update("e"), over("e/1", "e")])
        assert store.prune(Micros(6), ["c/1", "d", "nobody"], 9) == PruneResult(4, None)
        left = ["b", "b/1", "b/1/1", "c", "c/1", "d", "d/1", "e", "e/1"]
        assert sorted(row.id for row in store.iter_runs()) == left
        assert run_ids(store.list_runs(RunFilter(parent_id="a"))) == []
        store.commit([run_update("b/1/1", 1, finished_at=7, status="cancelled", parent_id="b/1")])
        assert store.prune(Micros(6), (), 9) == PruneResult(7, None)
        assert sorted(row.id for row in store.iter_runs()) == ["e", "e/1"]

    def test_prune_continues_after_its_cursor(self, store: Store) -> None:
        store.commit([new_run_update(f"r{i}", finished_at=9 - i, status="completed") for i in range(6)])
        store.commit([new_run_update("r0/1", parent_id="r0", finished_at=1)])
        after: Cursor | None = FIRST_CURSOR
        gone = []
        while after is not None:
            before = {row.id for row in store.iter_runs()}
            forgotten = store.prune(Micros(9), ["r4"], 2, after)
            gone.append(sorted(before - {row.id for row in store.iter_runs()}))
            assert forgotten.pruned_count == len(gone[-1])
            after = forgotten.next_cursor
        assert gone == [["r5"], ["r2", "r3"], ["r1"]], "the first to end first; what stays is not looked at again"
        assert store.prune(Micros(99), (), 0) == PruneResult(0, None)
        assert sorted(row.id for row in store.iter_runs()) == ["r0", "r0/1", "r4"]

    def test_prune_keeps_unfinished_runs(self, store: Store) -> None:
        store.commit(
            [new_run_update("r1", finished_at=5, status="failed"), new_run_update("r2", finished_at=5, status="failed")]
        )
        store.commit([run_update("r1", 1, status="running"), run_update("r2", 1, status="running")])
        store.commit([run_update("r2", 2, status="failed", finished_at=50)])
        assert store.prune(Micros(50), (), 9) == PruneResult(0, None)
        assert store.prune(Micros(51), (), 9) == PruneResult(1, None)
        assert store.get_run("r1") is not None
        assert store.commit([run_update("r2", 3)]) == [Conflict()], "who tries it again is told"

    # -- what others do

    def test_seqs_tell_who_went_on(self, store: Store) -> None:
        store.commit([new_run_update("r1"), new_run_update("r2")])
        store.commit([run_update("r2", 1)])
        assert store.journal_lengths(["r1", "r2", "nobody"]) == {"r1": 1, "r2": 2}
        assert store.journal_lengths([]) == {}

    def test_the_next_expiry_is_of_another_owners_lease(self, store: Store) -> None:
        assert store.next_lease_expiry("me") is None
        rows = [
            make_work_row("r1", 0, owner="me", lease_until=3),
            make_work_row("r1", 1, owner="you", lease_until=9),
            make_work_row("r1", 2),
        ]
        store.commit([new_run_update("r1", [*rows, make_work_row("r1", 3, owner="them", lease_until=7)])])
        assert store.next_lease_expiry("me") == 7
        assert store.next_lease_expiry("nobody") == 3

    def test_a_listener_hears_what_others_write(self, place: StoreLocation) -> None:
        if not place.shared:
            pytest.skip("nobody else can see this database")
        ears, other = place.open(), place.open()
        heard: SimpleQueue[Notification] = SimpleQueue()
        assert ears.listen(heard.put)
        if not place.detects_dead_owners:  # where listening takes its time, it begins with a word of what was missed
            assert heard.get(timeout=20) == ANYTHING_CHANGED
        ears.commit([new_run_update("mine", [make_work_row("mine")])])
        other.commit([new_run_update("r1", [make_work_row("r1", owner="me", lease_until=9)])])  # nothing to tell
        other.commit([new_run_update("r2", [make_work_row("r2")])])
        assert heard.get(timeout=20) == Notification(True, frozenset())
        announced = run_update("r1", 1, status="completed", finished_at=5)
        announced.notify = True
        other.commit([announced])
        assert heard.get(timeout=20) == Notification(False, frozenset({"r1"}))
        crowd = [new_run_update(f"crowd{i:04}") for i in range(1000)]
        for change in crowd:
            change.notify = True
        other.commit(crowd)
        assert heard.get(timeout=20) == Notification(False, None)
        row = make_work_row("r2", owner="me", lease_until=5)
        other.commit([run_update("r2", 1, work_removed=[(0, 1)], work_added=[row])])
        other.release_work("me", [row])
        assert heard.get(timeout=20) == Notification(True, frozenset())

    def test_several_runs_are_read_together(self, store: Store) -> None:
        store.commit(
            [
                new_run_update("r1", [make_work_row("r1"), make_work_row("r1", 1)]),
                new_run_update("r2"),
                new_run_update("r3", [make_work_row("r3")]),
            ]
        )
        store.commit([run_update("r2", 1)])
        found = store.read_runs(["r1", "r2", "nobody"])
        assert sorted(found) == ["r1", "r2"]
        for run_id, record in found.items():
            assert record.row == store.get_run(run_id)
            assert record.journal_rows == store.read_journal(run_id)
            assert record.work_rows == store.work_of_run(run_id)
        assert store.read_runs([]) == {}
