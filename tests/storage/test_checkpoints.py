"""Runs recorded behind the checkpoint port: what every store must do, and what these are for."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from holdwater.errors import ConfigError, RunInProgress, StoreError, StoreUnavailable, StoreUnreachable
from holdwater.model.records import Committed, Conflict
from holdwater.model.time import Micros
from holdwater.storage.checkpoints import records
from holdwater.storage.checkpoints.file import FileCheckpoints
from holdwater.storage.checkpoints.port import CheckpointBackend
from holdwater.storage.checkpoints.redis import LEASE_MS, RedisCheckpoints
from holdwater.storage.checkpoints.store import CheckpointedStore
from tests.storage.conformance import StoreConformance, StoreLocation
from tests.storage.factories import make_work_row, new_run_update, run_update
from tests.storage.helpers import run_script
from tests.storage.redis_server import redis_url as redis_url

OpenBackend = Callable[[], CheckpointBackend]


@pytest.fixture(params=["file", "redis"])
def opening(request: pytest.FixtureRequest, tmp_path: Path) -> OpenBackend:
    if request.param == "file":
        return lambda: FileCheckpoints(tmp_path / "runs")
    url: str = request.getfixturevalue("redis_url")
    pytest.importorskip("redis").Redis.from_url(url).flushdb()
    return lambda: RedisCheckpoints(url)


@pytest.fixture
def place(opening: OpenBackend) -> Iterator[StoreLocation]:
    place = StoreLocation(lambda: CheckpointedStore(opening()), shared=False)
    yield place
    place.close()


class TestStoresWithCheckpoints(StoreConformance):
    """In memory there are only runs that go on; what needs all runs together is for databases."""

    test_a_new_run_writes_run_row_journal_and_work = None  # type: ignore[assignment]
    test_a_key_is_taken_once_per_workflow = None  # type: ignore[assignment]
    test_orphaned_children_are_unfinished_children_of_ended_runs = None  # type: ignore[assignment]
    test_prune_deletes_runs_that_ended_before_an_instant_with_all_their_rows = None  # type: ignore[assignment]
    test_prune_deletes_a_run_with_its_descendants_and_no_other = None  # type: ignore[assignment]
    test_prune_continues_after_its_cursor = None  # type: ignore[assignment]
    test_prune_keeps_unfinished_runs = None  # type: ignore[assignment]


@pytest.fixture
def stores(opening: OpenBackend) -> Iterator[Callable[[], CheckpointedStore]]:
    """Opens one store after the other on the same place, as different processes do."""
    opened: list[CheckpointedStore] = []

    def make() -> CheckpointedStore:
        opened.append(CheckpointedStore(opening()))
        return opened[-1]

    yield make
    for store in opened:
        store.close()


Stores = Callable[[], CheckpointedStore]


def test_what_one_process_wrote_another_reads(stores: Stores) -> None:
    first, second = stores(), stores()
    rows = [make_work_row("r1", 0, owner="me", lease_until=9, started=True)]
    first.commit([replace(new_run_update("r1", rows), plan={"name": "w"})])
    first.commit([run_update("r1", 1, ['["succeeded",1]', '["succeeded",2]'])])
    assert second.get_run("r1") == first.get_run("r1")
    assert second.get_plan("s1") == {"name": "w"}
    assert [json.loads(row.entries) for row in second.read_journal("r1")] == [
        [["started", {}]],
        [["succeeded", 1], ["succeeded", 2]],
    ]
    assert [json.loads(row.entries) for row in second.read_journal("r1", after_seq=2)] == [[["succeeded", 2]]]
    assert [(row.owner, row.reclaimed) for row in second.work_of_run("r1")] == [(None, True)]
    assert second.get_run("r2") is None


def test_every_run_has_its_plan(stores: Stores) -> None:
    first, second = stores(), stores()
    first.commit([replace(new_run_update("r1"), plan={"name": "w"})])
    first.commit([new_run_update("r2")])
    assert second.get_run("r2") is not None
    assert second.get_plan("s1") == {"name": "w"}


def test_a_run_belongs_to_one_process(stores: Stores) -> None:
    first, second = stores(), stores()
    first.commit([new_run_update("r1")])
    with pytest.raises(RunInProgress, match="another process"):
        second.acquire_run("r1")
    assert second.commit([run_update("r1", 1)]) == [Conflict()]
    assert second.commit([new_run_update("r1")]) == [Conflict()]
    first.close()
    assert second.acquire_run("r1")
    assert second.commit([run_update("r1", 1)]) == [Committed()]


def test_a_run_that_has_ended_is_free(stores: Stores) -> None:
    first, second = stores(), stores()
    first.commit([new_run_update("r1")])
    first.commit([run_update("r1", 1, status="failed", finished_at=5)])
    assert second.commit([run_update("r1", 2)]) == [Committed()]
    with pytest.raises(RunInProgress):
        first.acquire_run("r1")
    assert not second.acquire_run("r2")


def test_children_that_go_on_come_with_their_parent(stores: Stores) -> None:
    first, second = stores(), stores()
    child = "r[1]/map.2.0"
    first.commit(
        [
            new_run_update("r[1]"),
            new_run_update(child, [make_work_row(child)], parent_id="r[1]"),
            new_run_update("r[1]x"),
            new_run_update("r[1]/map.2.1"),
        ]
    )
    first.commit([run_update("r[1]/map.2.1", 1, status="completed", finished_at=5)])
    first.close()
    assert second.acquire_run("r[1]")
    rows = second.claim_work("me", Micros(10), Micros(1_000), 10, ("orders",), "r[1]")
    assert [row.run_id for row in rows] == [child]


def test_ids_that_are_no_file_names(stores: Stores) -> None:
    first, second = stores(), stores()
    for run_id in ("../up", ".hidden", "a/b", "x" * 500, "x" * 499 + "y", "\u00e9 \U0001f600", "\ud800"):
        first.commit([new_run_update(run_id)])
        assert second.journal_lengths([run_id]) == {run_id: 1}


def test_a_record_that_was_written_in_vain_is_superseded(stores: Stores, opening: OpenBackend) -> None:
    first = stores()
    first.commit([new_run_update("r1")])
    port = opening()
    with pytest.raises(RunInProgress):
        port.lock("r1")
    first.close()
    lock = port.lock("r1")
    lock.append(records.encode_record(run_update("r1", 1, ['["lost"]'])))
    lock.append(records.encode_record(run_update("r1", 1, ['["kept"]', '["too"]'])))
    lock.release()
    port.close()
    (_, row) = stores().read_journal("r1")
    assert json.loads(row.entries) == [["kept"], ["too"]]


# -- files


def test_a_line_that_was_cut_off_is_not_read_and_goes(tmp_path: Path) -> None:
    store = CheckpointedStore(FileCheckpoints(tmp_path))
    store.commit([new_run_update("r1")])
    store.commit([run_update("r1", 1)])
    store.close()
    (path,) = tmp_path.glob("*.jsonl")
    whole = path.read_bytes()
    for cut in range(1, len(whole)):
        path.write_bytes(whole[:-cut])
        again = CheckpointedStore(FileCheckpoints(tmp_path))
        head = again.get_run("r1")
        if head is None:
            assert again.commit([new_run_update("r1")]) == [Committed()]
        else:
            assert head.seq == (1 if whole[:-cut].count(b"\n") == 2 else 2)
            assert again.commit([run_update("r1", head.seq)]) == [Committed()]
        again.close()
        assert path.read_text().startswith('"r1"\n')


def test_a_damaged_record_is_an_error_that_says_where(tmp_path: Path) -> None:
    store = CheckpointedStore(FileCheckpoints(tmp_path))
    store.commit([new_run_update("r1")])
    store.close()
    (path,) = tmp_path.glob("*.jsonl")
    path.write_text('"r1"\nnonsense\n')
    with pytest.raises(StoreError, match="record 1 of a run in"):
        CheckpointedStore(FileCheckpoints(tmp_path)).get_run("r1")


def test_a_full_disk_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = CheckpointedStore(FileCheckpoints(tmp_path))
    store.commit([new_run_update("r1")])
    write = os.write

    def full(fd: int, data: bytes) -> int:
        write(fd, bytes(data)[:10])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(StoreUnavailable, match="No space"):
            store.commit([run_update("r1", 1)])
        with pytest.raises(StoreUnavailable, match="No space"):
            store.commit([new_run_update("r2")])
    assert store.commit([run_update("r1", 1)]) == [Committed()]
    assert store.commit([new_run_update("r2")]) == [Committed()]
    store.close()
    assert CheckpointedStore(FileCheckpoints(tmp_path)).journal_lengths(["r1", "r2"]) == {"r1": 2, "r2": 1}


def test_a_directory_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="checkpoint_path"):
        FileCheckpoints(tmp_path / "file" / "runs")


def test_old_files_go(tmp_path: Path) -> None:
    store = CheckpointedStore(FileCheckpoints(tmp_path))
    store.commit([new_run_update("old"), new_run_update("new"), new_run_update("held")])
    for name in ("old", "held"):
        os.utime(tmp_path / f"{name}.jsonl", (0, 0))
    store._locks.pop("old").release()
    FileCheckpoints(tmp_path, retention_days=1)
    assert sorted(path.name for path in tmp_path.glob("*.jsonl")) == ["held.jsonl", "new.jsonl"]


def test_a_process_that_was_killed_leaves_its_runs_free(tmp_path: Path) -> None:
    script = """
import sys
from holdwater.storage.checkpoints.file import FileCheckpoints
from holdwater.storage.checkpoints.store import CheckpointedStore
from tests.storage.redis_server import redis_url as redis_url
from tests.storage.factories import new_run_update
store = CheckpointedStore(FileCheckpoints(sys.argv[1]))
store.commit([new_run_update("r1")])
print("born", flush=True)
sys.stdin.readline()
"""
    store = CheckpointedStore(FileCheckpoints(tmp_path))
    with run_script(script, str(tmp_path)) as other:
        assert other.read_line() == "born"
        with pytest.raises(RunInProgress):
            store.acquire_run("r1")
        other.process.kill()
        other.process.wait(20)
        assert store.acquire_run("r1")


# -- Redis


def test_who_lost_the_lock_writes_nothing(redis_url: str) -> None:
    import redis

    server = redis.Redis.from_url(redis_url)
    server.flushdb()
    first, second = (CheckpointedStore(RedisCheckpoints(redis_url)) for _ in range(2))
    first.commit([new_run_update("r1")])
    server.delete("holdwater:run:{r1}:lock")  # it has expired
    assert second.acquire_run("r1")
    assert first.commit([run_update("r1", 1)]) == [Conflict()]
    assert second.commit([run_update("r1", 1)]) == [Committed()]
    first.renew_leases("me", Micros(5))
    second.renew_leases("me", Micros(5))
    assert 0 < server.pttl("holdwater:run:{r1}:lock") <= LEASE_MS
    second.close()
    assert server.pttl("holdwater:run:{r1}:lock") == -2
    first.close()
    server.close()


def test_a_lock_that_was_lost_for_a_moment_is_taken_again(redis_url: str) -> None:
    import redis

    server = redis.Redis.from_url(redis_url)
    server.flushdb()
    store = CheckpointedStore(RedisCheckpoints(redis_url))
    store.commit([new_run_update("r1")])
    server.delete("holdwater:run:{r1}:lock")
    store.renew_leases("me", Micros(5))
    assert store.commit([run_update("r1", 1)]) == [Committed()]
    store.close()
    server.close()


def test_records_in_redis_expire(redis_url: str) -> None:
    import redis

    server = redis.Redis.from_url(redis_url)
    server.flushdb()
    store = CheckpointedStore(RedisCheckpoints(redis_url, retention_days=2))
    store.commit([new_run_update("r1")])
    assert 0 < server.ttl("holdwater:run:{r1}:records") <= 2 * 86_400
    store.close()
    server.close()


def test_a_server_that_is_not_there() -> None:
    pytest.importorskip("redis")
    with pytest.raises(StoreUnreachable, match="does not answer"):
        RedisCheckpoints("redis://user:secret@127.0.0.1:1/0")
    with pytest.raises(ConfigError, match="redis_url"):
        RedisCheckpoints("http://nowhere")
