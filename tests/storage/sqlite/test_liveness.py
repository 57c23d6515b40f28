"""Lock files: a process that ends, however it ends, loses its work at once."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from holdwater.errors import StoreError
from holdwater.model.ports.store import Store
from holdwater.model.time import Micros
from holdwater.storage import open_store
from holdwater.storage.sqlite import lock_files
from tests.storage.factories import make_work_row, new_run_update
from tests.storage.helpers import run_script

OWN = """
import sys
from holdwater.model.records import RunUpdate, RunRow, WorkRow
from holdwater.storage import open_store
store = open_store(sys.argv[1])
store.register_owner("they")
row = WorkRow("r1", 0, 1, "execute", "orders", 100, owner="they", lease_until=10**17)
store.commit([RunUpdate(RunRow("r1", "orders", "tasks", "s1", "c1", 1), 0, [], 1, is_new=True, work_added=[row])])
print("owned", flush=True)
input()
store.close()
"""


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/a.db"


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    store = open_store(url)
    yield store
    store.close()


def test_a_killed_process_frees_its_work(store: Store, url: str, tmp_path: Path) -> None:
    with run_script(OWN, url) as they:
        assert they.read_line() == "owned"
        assert store.reclaim_expired(Micros(1)) == 0
        assert (tmp_path / "a.db.they.lock").exists()
        they.process.send_signal(signal.SIGKILL)
        they.process.wait()
        assert store.reclaim_expired(Micros(1)) == 1
    assert store.work_of_run("r1") == [make_work_row("r1", reclaimed=True)]
    assert not (tmp_path / "a.db.they.lock").exists()


def test_a_stopped_process_keeps_its_work_until_its_lease_ends(store: Store, url: str) -> None:
    with run_script(OWN, url) as they:
        assert they.read_line() == "owned"
        assert store.reclaim_expired(Micros(10**18)) == 0, "it runs, and its lock proves that it lives"
        they.suspend()
        assert store.reclaim_expired(Micros(10**17 - 1)) == 0
        assert store.reclaim_expired(Micros(10**17)) == 1
        assert store.work_of_run("r1") == [make_work_row("r1", reclaimed=True, expired=True)]
        they.process.send_signal(signal.SIGCONT)


@pytest.mark.parametrize("written", ["", "12", "x 4\n", f"{2**70} -\n", "0 elsewhere\n", "1 pid:[1]\n"])
def test_an_unknown_process_is_not_stopped(tmp_path: Path, written: str) -> None:
    path = tmp_path / "x.lock"
    path.write_text(written)
    assert not lock_files.is_holder_stopped(path)
    assert not lock_files.is_holder_stopped(tmp_path / "none.lock")


def test_a_process_that_closes_its_store_frees_its_work(store: Store, url: str) -> None:
    with run_script(OWN, url) as they:
        assert they.read_line() == "owned"
        they.write_line()
    assert store.reclaim_expired(Micros(1)) == 1


def test_a_name_belongs_to_one_store_at_a_time(store: Store, url: str) -> None:
    second = open_store(url)
    second.register_owner("me")
    with pytest.raises(StoreError, match="alive elsewhere"):
        store.register_owner("me")
    second.close()
    store.register_owner("me")


def test_owners_of_databases_in_one_directory_do_not_meet(store: Store, tmp_path: Path) -> None:
    other = open_store(f"sqlite:///{tmp_path}/b.db")
    store.register_owner("me")
    other.register_owner("me")
    other.commit([new_run_update("r1", [make_work_row("r1", owner="me")])])
    store.commit([new_run_update("r1", [make_work_row("r1", owner="me")])])
    other.unregister_owner("me")
    assert (other.reclaim_expired(Micros(1)), store.reclaim_expired(Micros(1))) == (1, 0)
    other.close()


def test_a_lock_file_deleted_while_it_is_taken_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.lock"
    lock = lock_files._try_lock
    calls: list[int] = []

    def swept(fd: int) -> bool:
        calls.append(fd)
        if len(calls) == 1:  # a sweeper thought it stale
            path.unlink()
        return lock(fd)

    monkeypatch.setattr(lock_files, "_try_lock", swept)
    held = lock_files.try_acquire(path)
    assert held is not None
    assert len(calls) == 2
    assert not lock_files.is_free(path)
    held.release()
    assert lock_files.is_free(path)
    assert not path.exists()
