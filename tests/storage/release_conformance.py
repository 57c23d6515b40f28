"""What every store must do with releases of packages, their archives, and trusted keys."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from queue import SimpleQueue
from typing import Any

import pytest

from holdwater.model.ports.store import Store
from holdwater.model.records import Notification, RunFilter
from holdwater.model.releases import ReleaseRow, TrustedKey
from holdwater.model.time import Micros
from holdwater.storage.notifications import ANYTHING_CHANGED, RELEASES_CHANGED
from tests.storage.conformance import StoreLocation
from tests.storage.factories import new_run_update, run_update

ONE, TWO = "1" * 16, "2" * 16


def release(name: str = ONE, version: str = "1.0", at: int = 10, **fields: Any) -> ReleaseRow:
    row = ReleaseRow(name, name * 4, "shop", version, registered_at=Micros(at), changed_at=Micros(at))
    return replace(row, **fields)


class ReleaseConformance:
    """Subclass it as `Test...`."""

    @pytest.fixture
    def store(self, place: StoreLocation) -> Iterator[Store]:
        yield place.open()
        place.close()

    def test_a_release_is_read_as_it_was_written(self, store: Store) -> None:
        assert (store.get_release(ONE), store.list_releases()) == (None, [])
        row = release(
            state="broken",
            workflows=["orders", "Grüße"],
            descriptor={"format": 1, "text": "\0 \ud800"},
            pinned=True,
            attempts=3,
            next_attempt_at=Micros(99),
            source="/in/shop.cloacina",
            registered_by="cli:alice",
            signed_by="ab" * 32,
        )
        assert store.put_release(row)
        assert store.get_release(ONE) == replace(row, version_number=1)
        assert store.put_release(release(TWO, "2.0", at=5, package="shop"))
        assert store.put_release(release("3" * 16, at=7, package="bakery"))
        assert [one.release for one in store.list_releases()] == ["3" * 16, TWO, ONE]
        assert [one.release for one in store.list_releases("shop")] == [TWO, ONE]
        assert store.list_releases("nothing") == []

    def test_names_of_packages_are_unique_whatever_their_case(self, store: Store) -> None:
        assert store.put_release(release(ONE, package="shop"))
        assert not store.put_release(release(TWO, "2.0", package="Shop"))
        assert store.get_release(TWO) is None
        assert store.put_release(replace(release(ONE, package="shop", state="gone"), version_number=1))
        assert store.put_release(release(TWO, "2.0", package="Shop"))
        assert store.put_release(release("3" * 16, "3.0", package="Shop"))

    def test_an_error_may_have_texts_that_a_database_cannot_store(self, store: Store) -> None:
        store.put_release(release(error="ValueError: \0 \ud800"))
        found = store.get_release(ONE)
        assert found is not None
        assert str(found.error).startswith("ValueError: ")

    def test_a_write_of_an_older_row_is_refused(self, store: Store) -> None:
        assert store.put_release(release())
        assert not store.put_release(release()), "it is there already"
        first = store.get_release(ONE)
        assert first is not None
        assert store.put_release(replace(first, state="active"))
        assert not store.put_release(replace(first, state="broken")), "another process was faster"
        assert not store.put_release(release(TWO, "2.0", version_number=1)), "it is not there"
        found = store.get_release(ONE)
        assert found is not None
        assert (found.state, found.version_number) == ("active", 2)

    def test_a_package_has_one_release_of_each_version(self, store: Store) -> None:
        assert store.put_release(release())
        assert not store.put_release(release(TWO)), "the same package and version"
        assert store.put_release(release(TWO, package="bakery"))
        store.delete_release(ONE)
        assert store.put_release(release("3" * 16)), "its version is free again"

    def test_a_release_is_deleted_with_its_archive(self, store: Store) -> None:
        assert store.put_release(release(), b"\0\xff" * 1000, b"signed")
        assert store.put_release(release(TWO, "2.0"), b"other")
        assert (store.get_archive(ONE), store.get_archive_signature(ONE)) == (b"\0\xff" * 1000, b"signed")
        assert (store.get_archive("nothing"), store.get_archive_signature(TWO)) == (None, None)
        store.delete_release(ONE)
        store.delete_release("nothing")
        assert (store.get_release(ONE), store.get_archive(ONE), store.get_archive(TWO)) == (None, None, b"other")
        assert store.get_archive_signature(ONE) is None

    def test_an_archive_is_written_with_its_row_or_not_at_all(self, store: Store) -> None:
        assert store.put_release(release(), b"first", b"signed")
        assert not store.put_release(release(), b"second", b"signed, too"), "another process was faster"
        assert (store.get_archive(ONE), store.get_archive_signature(ONE)) == (b"first", b"signed")
        assert store.put_release(release(version_number=1, state="active"))
        assert store.get_archive(ONE) == b"first", "what is not given stays"
        assert store.put_release(release(version_number=2), b"third")
        assert (store.get_archive(ONE), store.get_archive_signature(ONE)) == (b"third", None)
        assert store.put_release(release(version_number=3, state="gone"))
        assert (store.get_archive(ONE), store.get_archive_signature(ONE)) == (None, None)

    def test_open_runs_of_a_release_are_counted(self, store: Store) -> None:
        assert store.count_open_runs(ONE) == 0
        for run_id, of, status, ended in (
            ("r1", ONE, "running", None),
            ("r2", ONE, "paused", None),
            ("r3", ONE, "completed", 9),
            ("r4", TWO, "running", None),
            ("r5", None, "running", None),
        ):
            finished_at = None if ended is None else Micros(ended)
            store.commit([new_run_update(run_id, release=of, status=status, finished_at=finished_at)])
        assert (store.count_open_runs(ONE), store.count_open_runs(TWO), store.count_open_runs("")) == (2, 1, 0)

    def test_a_run_keeps_its_release_and_can_be_moved_to_another(self, store: Store) -> None:
        store.commit([new_run_update("r1", release=ONE), new_run_update("r2")])
        assert {run.id: run.release for run in store.iter_runs()} == {"r1": ONE, "r2": None}
        assert {run.id: run.release for run in store.list_runs(RunFilter())} == {"r1": ONE, "r2": None}
        found = store.list_runs(RunFilter(text="r1"))
        assert [run.release for run in found] == [ONE]
        row = store.get_run("r1")
        assert row is not None
        store.commit([run_update("r1", row.seq, release=ONE)])
        row = store.get_run("r1")
        assert row is not None
        assert row.release == ONE
        store.commit([run_update("r1", row.seq, release=TWO)])
        assert {run_id: one.row.release for run_id, one in store.read_runs(["r1", "r2"]).items()} == {
            "r1": TWO,
            "r2": None,
        }
        assert (store.count_open_runs(ONE), store.count_open_runs(TWO)) == (0, 1)

    def test_overdue_runs_and_lost_children_are_told_by_claim_keys(self, store: Store) -> None:
        late = Micros(5)
        store.commit([new_run_update("r1", release=ONE, deadline_at=late), new_run_update("r2", deadline_at=late)])
        assert store.overdue_runs(Micros(9)) == [("r1", f"orders@{ONE}", late), ("r2", "orders", late)]
        store.commit([new_run_update("p", release=ONE, status="completed", finished_at=late)])
        store.commit([new_run_update("c", release=ONE, parent_id="p"), new_run_update("d", parent_id="p")])
        assert store.orphaned_children() == [("c", f"orders@{ONE}"), ("d", "orders")]

    def test_trusted_keys_are_kept(self, store: Store) -> None:
        key = TrustedKey("ab" * 32, "ops", "cHVibGlj", "cli:alice", Micros(1), Micros(9), None)
        store.put_trusted_key(key)
        store.put_trusted_key(replace(key, fingerprint="cd" * 32, name="Grüße", expires_at=None))
        assert [one.name for one in store.list_trusted_keys()] == ["Grüße", "ops"]
        revoked = replace(key, revoked_at=Micros(5))
        store.put_trusted_key(revoked)
        assert store.list_trusted_keys()[1] == revoked
        store.delete_trusted_key("nothing")
        store.delete_trusted_key("cd" * 32)
        assert store.list_trusted_keys() == [revoked]

    def test_other_stores_hear_of_releases(self, place: StoreLocation, store: Store) -> None:
        heard: SimpleQueue[Notification] = SimpleQueue()
        if not place.shared or not place.open().listen(heard.put):
            pytest.skip("these stores tell nothing")
        assert store.put_release(release())
        assert not store.put_release(release())
        store.delete_release(ONE)
        told = heard.get(timeout=60)
        while told == ANYTHING_CHANGED:  # the word of what was missed, where listening takes its time
            told = heard.get(timeout=60)
        assert told == RELEASES_CHANGED  # once or twice: words that wait in a pipe are one
