"""Releases of packages: lists, and requests that change their rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from holdwater.engine import Engine
from holdwater.errors import InvalidTransition, ReleaseBroken, ReleaseDraining, ReleaseNotFound, StoreUnavailable
from holdwater.model.registry import Registry
from holdwater.operations.databases import Database
from holdwater.operations.releases import (
    activate_release,
    find_release,
    get_release,
    list_releases,
    remove_release,
    retry_release,
    unpin_release,
)
from holdwater.runtime.config import DriverConfig
from tests.suite.releases import TRACEBACK, put_release
from tests.suite.runners import url

__all__ = ["url"]


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    engine = Engine(url, DriverConfig(recover=False), registry=Registry())
    yield Database.of(engine)
    engine.close(0)


def test_listed_by_package_the_newest_first(database: Database) -> None:
    for package, version in (("orders", "1.9"), ("invoices", "2"), ("orders", "1.10")):
        put_release(database, package, version)
    assert [one.reference for one in list_releases(database)] == ["invoices==2", "orders==1.10", "orders==1.9"]
    assert [one.version for one in list_releases(database, "orders")] == ["1.10", "1.9"]
    assert list_releases(database, "none") == ()


def test_found_by_what_people_know_it_by(database: Database) -> None:
    old = put_release(database, "orders", "1.0", "active")
    new = put_release(database, "orders", "1.1", "inactive")
    broken = put_release(database, "invoices", "3", "broken")
    assert find_release(database, "orders").release == old, "the active one"
    assert find_release(database, "orders==1.1").release == new
    assert find_release(database, new[:8]).release == new
    assert find_release(database, "invoices").release == broken, "the newest, where none is active"
    assert get_release(database, new).reference == "orders==1.1"
    for reference, hint in (("ordres", "orders"), ("orders==9", ""), (new[:3], ""), ("f" * 16, "")):
        with pytest.raises(ReleaseNotFound) as refused:
            find_release(database, reference)
        assert hint in refused.value.hint
    with pytest.raises(ReleaseNotFound):
        get_release(database, new[:8])


def test_one_is_pinned_and_no_other_of_its_package(database: Database) -> None:
    first, second = put_release(database, "orders", "1"), put_release(database, "orders", "2", "inactive")
    other = put_release(database, "invoices", "1", pinned=True)
    assert activate_release(database, second).is_pinned
    assert activate_release(database, first).is_pinned
    assert [get_release(database, one).is_pinned for one in (first, second, other)] == [True, False, True]
    assert not get_release(database, first).can_be_activated
    assert get_release(database, second).can_be_activated
    assert not unpin_release(database, first).is_pinned


def test_what_cannot_be_active(database: Database) -> None:
    for state, error in (
        ("broken", ReleaseBroken),
        ("draining", ReleaseDraining),
        ("gone", ReleaseDraining),
        ("registering", InvalidTransition),
    ):
        release = put_release(database, state, "1", state)
        with pytest.raises(error):
            activate_release(database, release)
        assert not get_release(database, release).can_be_activated


def test_a_broken_one_is_due_at_once(database: Database) -> None:
    later = database.clock.now() + 3_600_000_000
    release = put_release(database, "orders", "1", "broken", error=TRACEBACK, attempts=3, next_attempt_at=later)
    before = database.clock.now()
    due = retry_release(database, release)
    assert due.next_attempt_at is not None
    assert before <= due.next_attempt_at <= database.clock.now()
    assert (due.state, due.attempts, due.error) == ("broken", 3, TRACEBACK)
    good = put_release(database, "orders", "2")
    with pytest.raises(InvalidTransition, match="is active, not broken"):
        retry_release(database, good)


def test_removed_twice_is_removed(database: Database) -> None:
    release = put_release(database, "orders", "1", pinned=True)
    removed = remove_release(database, release)
    assert (removed.state, removed.is_pinned) == ("draining", False)
    assert remove_release(database, release).state == "draining"
    assert not get_release(database, release).can_be_removed
    gone = put_release(database, "orders", "0", "gone")
    assert remove_release(database, gone).state == "gone"


def test_a_change_of_another_process_in_between_is_kept(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    release = put_release(database, "orders", "1", "inactive")
    read = database.store.get_release
    interferes = [True]

    def read_and_interfere(wanted: str) -> object:
        row = read(wanted)
        if interferes and interferes.pop():
            assert row is not None
            assert database.store.put_release(replace(row, state="active"))
        return row

    monkeypatch.setattr(database.store, "get_release", read_and_interfere)
    row = activate_release(database, release)
    assert (row.state, row.is_pinned) == ("active", True)


def test_changed_by_others_all_the_time(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    release = put_release(database, "orders", "1")
    monkeypatch.setattr(database.store, "put_release", lambda row: False)
    with pytest.raises(StoreUnavailable, match="too often"):
        remove_release(database, release)
