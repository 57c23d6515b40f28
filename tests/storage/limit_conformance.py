"""What every store must do with concurrency limits, and with claims within them."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from holdwater.model.limits import ConcurrencyLimit, LimitedWork
from holdwater.model.ports.store import Store
from holdwater.model.records import RunUpdate, WorkRow
from holdwater.model.time import Micros
from tests.storage.conformance import StoreLocation
from tests.storage.factories import make_work_row, new_run_update, run_update

LEASE = Micros(10_000)


def claim(store: Store, owner: str = "me", limit: int = 100, **options: Any) -> list[str]:
    """The runs of the tasks that were claimed."""
    rows = store.claim_work(owner, LEASE, Micros(1_000_000), limit, ["orders"], **options)
    return [row.run_id for row in rows]


def queue(store: Store, run_id: str, limit_keys: str, due_at: int = 100, **fields: Any) -> None:
    row = make_work_row(run_id, due_at=due_at, limit_keys=limit_keys, **fields)
    store.commit([new_run_update(run_id, [row])])


def end(run_id: str, *added: WorkRow) -> RunUpdate:
    return run_update(run_id, 1, work_removed=[(0, 1)], work_added=list(added))


class LimitConformance:
    """Subclass it as `Test...`."""

    @pytest.fixture
    def store(self, place: StoreLocation) -> Iterator[Store]:
        yield place.open()
        place.close()

    def test_limits_are_written_read_and_deleted(self, store: Store) -> None:
        assert store.list_limits() == []
        store.put_limit(ConcurrencyLimit("openai", 3, "cli:alice", Micros(7)))
        store.put_limit(ConcurrencyLimit("label:env=prod", 0))
        store.put_limit(ConcurrencyLimit("openai", 5, "api", Micros(9)))
        assert store.list_limits() == [
            ConcurrencyLimit("label:env=prod", 0), ConcurrencyLimit("openai", 5, "api", Micros(9))
        ]  # fmt: skip
        assert store.delete_limit("openai")
        assert not store.delete_limit("openai")
        assert [limit.key for limit in store.list_limits()] == ["label:env=prod"]

    def test_no_more_are_claimed_than_a_limit_has_places(self, store: Store) -> None:
        store.put_limit(ConcurrencyLimit("openai", 2))
        for number in range(5):
            queue(store, f"r{number}", "openai", due_at=100 + number)
        assert claim(store) == ["r0", "r1"]
        assert (claim(store), claim(store, "another")) == ([], [])
        store.commit([end("r0")])
        assert claim(store, "another") == ["r2"]
        store.put_limit(ConcurrencyLimit("openai", 3))
        assert claim(store) == ["r3"]
        assert claim(store) == []
        store.delete_limit("openai")
        assert claim(store) == ["r4"]

    def test_a_key_without_a_limit_limits_nothing(self, store: Store) -> None:
        for number in range(3):
            queue(store, f"r{number}", "openai")
        assert claim(store) == ["r0", "r1", "r2"]

    def test_a_limit_of_zero_lets_nothing_begin(self, store: Store) -> None:
        store.put_limit(ConcurrencyLimit("openai", 0))
        queue(store, "r0", "openai")
        queue(store, "r1", "")
        assert claim(store) == ["r1"]

    def test_tasks_without_limits_are_claimed_beside_them_the_oldest_first(self, store: Store) -> None:
        store.put_limit(ConcurrencyLimit("openai", 1))
        for number, keys in enumerate(["openai", "", "openai", "", "other"]):
            queue(store, f"r{number}", keys, due_at=100 + number)
        assert claim(store, limit=2) == ["r0", "r1"]
        assert claim(store, limit=2) == ["r3", "r4"]
        assert claim(store) == []

    def test_work_that_is_no_task_is_claimed_beside_them(self, store: Store) -> None:
        store.put_limit(ConcurrencyLimit("openai", 0))
        queue(store, "r0", "openai")
        store.commit([new_run_update("r1", [make_work_row("r1", kind="timer", due_at=5)])])
        assert claim(store) == ["r1"]
        assert claim(store) == []

    def test_a_task_counts_towards_each_of_its_limits(self, store: Store) -> None:
        store.put_limit(ConcurrencyLimit("a", 1))
        store.put_limit(ConcurrencyLimit("b", 2))
        queue(store, "r0", "a\nb", due_at=1)
        queue(store, "r1", "a", due_at=2)
        queue(store, "r2", "b", due_at=3)
        queue(store, "r3", "b", due_at=4)
        assert claim(store) == ["r0", "r2"]
        store.commit([end("r0")])
        assert claim(store) == ["r1", "r3"]

    def test_a_task_with_several_limits_is_not_passed_for_ever(self, store: Store) -> None:
        store.put_limit(ConcurrencyLimit("a", 1))
        store.put_limit(ConcurrencyLimit("b", 1))
        queue(store, "r0", "a", due_at=1)
        assert claim(store) == ["r0"]
        queue(store, "old", "a\nb", due_at=2)
        queue(store, "young", "b", due_at=3)
        assert claim(store) == [], "the place in b is kept for the older task, which waits for one in a"
        store.commit([end("r0")])
        assert claim(store) == ["old"]

    def test_what_the_store_leaves_out_of_a_claim_is_left_out_within_limits(self, store: Store) -> None:
        store.put_limit(ConcurrencyLimit("openai", 9))
        queue(store, "r0", "openai")
        queue(store, "r1", "openai", workflow="another")
        queue(store, "r2", "openai")
        assert claim(store, include_tasks=False) == []
        assert claim(store, within_run_id="r2") == ["r2"]
        assert claim(store, excluded_nodes=[("orders", 0)]) == []
        assert claim(store) == ["r0"]

    def test_a_lease_that_ends_frees_its_place(self, store: Store) -> None:
        store.put_limit(ConcurrencyLimit("openai", 1))
        queue(store, "r0", "openai", due_at=1)
        queue(store, "r1", "openai", due_at=2)
        store.register_owner("me")
        assert claim(store) == ["r0"]
        (held,) = store.work_of_owner("me")
        assert held.limit_keys == "openai"
        assert claim(store) == []
        store.release_work("me", [held])
        assert claim(store, "another") == ["r0"]

    def test_keys_are_kept_and_written_anew_by_a_release(self, store: Store) -> None:
        queue(store, "r0", "openai")
        claim(store)
        (held,) = store.work_of_run("r0")
        held.limit_keys = "openai\nworkflow:orders"
        store.release_work("me", [held])
        assert [row.limit_keys for row in store.work_of_run("r0")] == ["openai\nworkflow:orders"]
        assert [row.limit_keys for row in store.work_of_runs(["r0"])["r0"]] == ["openai\nworkflow:orders"]
        assert [row.limit_keys for row in store.list_ready_work(5)] == ["openai\nworkflow:orders"]

    def test_a_new_limit_counts_the_tasks_there_are(self, store: Store) -> None:
        for number, workflow in enumerate(["orders", "orders@0123456789abcdef", "orders/items", "orders2"]):
            queue(store, f"r{number}", "" if number else "openai", due_at=number, workflow=workflow)
        names = ["orders", "orders@0123456789abcdef", "orders/items", "orders2"]

        def take(limit: int = 100) -> list[str]:
            return [row.run_id for row in store.claim_work("me", LEASE, Micros(1_000_000), limit, names)]

        assert take(1) == ["r0"]
        store.put_limit(ConcurrencyLimit("workflow:orders", 2))
        store.put_limit(ConcurrencyLimit("workflow:orders", 2))
        assert take() == ["r1", "r3"], "one runs already"
        assert [row.limit_keys for row in store.work_of_run("r0")] == ["openai\nworkflow:orders"]

    def test_a_new_limit_on_a_label_counts_the_tasks_there_are(self, store: Store) -> None:
        labels = [{"env": "prod"}, {"env": "prod", "team": "a"}, {"env": "dev"}, None]
        for number, one in enumerate(labels):
            text = None if one is None else str(one).replace("'", '"')
            row = make_work_row(f"r{number}", due_at=number)
            store.commit([new_run_update(f"r{number}", [row], labels_json=text)])
        store.put_limit(ConcurrencyLimit("label:env=prod", 1))
        assert claim(store) == ["r0", "r2", "r3"]

    def test_what_is_held_and_what_waits_is_counted(self, store: Store) -> None:
        queue(store, "r0", "a", due_at=1)
        queue(store, "r1", "a", due_at=2)
        queue(store, "r2", "a\nb", due_at=3)
        queue(store, "r3", "", due_at=4)
        claim(store, limit=1)
        assert store.count_limited_work() == [LimitedWork("a", 1, 1), LimitedWork("a\nb", 0, 1)]
        assert [(row.run_id, row.owner, row.lease_until) for row in store.list_held_work(5)] == [("r0", "me", LEASE)]
        assert store.list_held_work(0) == []

    def test_claims_at_once_never_take_more_than_there_are_places(self, place: StoreLocation) -> None:
        stores = [place.open() for _ in range(4 if place.shared else 1)]
        stores[0].put_limit(ConcurrencyLimit("openai", 3))
        for number in range(24):
            queue(stores[0], f"r{number:02}", "openai", due_at=number)
        claimed: list[str] = []
        most_held = []
        lock = threading.Lock()

        def work(store: Store, owner: str) -> None:
            while len(claimed) < 24:
                rows = store.claim_work(owner, LEASE, Micros(1_000_000), 2, ["orders"])
                with lock:
                    claimed.extend([row.run_id for row in rows])
                most_held.append(sum([one.held_count for one in store.count_limited_work()]))
                finish(store, rows)

        def finish(store: Store, rows: Sequence[WorkRow]) -> None:
            if rows:
                store.commit([end(row.run_id) for row in rows])

        threads = [threading.Thread(target=work, args=(store, f"o{i}")) for i, store in enumerate(stores * 2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(claimed) == [f"r{number:02}" for number in range(24)]
        assert 1 <= max(most_held) <= 3
