"""What only a server can do to a store: other clients, locks, connections that end, and a server that ends or hangs."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from queue import SimpleQueue
from threading import Barrier, Event, Thread
from typing import Any

import psycopg
import pytest

from holdwater.errors import StoreError, StoreUnavailable, StoreUnusable
from holdwater.model.ports.store import Store
from holdwater.model.records import Committed, Conflict, Duplicate, Notification, RunFilter
from holdwater.model.time import Micros
from holdwater.storage import open_store, pool
from holdwater.storage.options import StoreOptions
from holdwater.storage.postgres import pipeline
from holdwater.storage.postgres.store import PostgresStore
from tests.postgres.cluster import Cluster
from tests.storage.factories import make_run_row, make_work_row, new_run_update, run_update
from tests.storage.helpers import run_script
from tests.storage.test_process_forks import BUSY, CHILD_LIVES, REFUSED

WAIT_TIMEOUT_SECONDS = 20.0
ORDERS = ("orders",)


@pytest.fixture
def url(migrated_schema: Callable[[], str]) -> str:
    return migrated_schema()


@pytest.fixture
def store(url: str) -> Iterator[PostgresStore]:
    with closing(PostgresStore(url, StoreOptions())) as store:
        yield store


@pytest.fixture
def other(url: str) -> Iterator[psycopg.Connection]:
    """A client of the same schema that is none of ours."""
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


@contextmanager
def frozen_server(server: Cluster) -> Iterator[None]:
    server.freeze()
    try:
        yield
    finally:
        server.thaw()


def wait_for_rows(connection: psycopg.Connection, query: str, *given: Any) -> list[tuple[Any, ...]]:
    """Ask the server until it has an answer: of what happens inside it, it sends no word."""
    give_up = time.monotonic() + WAIT_TIMEOUT_SECONDS
    while not (found := connection.execute(query.encode(), given).fetchall()):
        assert time.monotonic() < give_up, query
    return found


def blocked_pid(connection: psycopg.Connection) -> int:
    """The process of the client that waits for a lock `connection` holds."""
    # not from pg_stat_activity: within a transaction that stays as it was first seen
    question = "SELECT DISTINCT pid FROM pg_locks WHERE NOT granted AND %s = ANY(pg_blocking_pids(pid))"
    ((pid,),) = wait_for_rows(connection, question, connection.info.backend_pid)
    return int(pid)


def terminate_sessions(other: psycopg.Connection, name: str) -> int:
    ended = other.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = %s", (name,)
    ).fetchall()
    return len(ended)


def run_in_thread(function: Callable[[], Any]) -> Future[Any]:
    done: Future[Any] = Future()

    def call() -> None:
        try:
            done.set_result(function())
        except BaseException as error:
            done.set_exception(error)

    Thread(target=call, daemon=True).start()
    return done


# -- connections


def test_the_pool_is_bounded_and_one_more_listens(url: str, other: psycopg.Connection) -> None:
    with closing(open_store(url + "&application_name=bounded", StoreOptions(pool_size=2))) as store:
        heard: SimpleQueue[Notification] = SimpleQueue()
        store.listen(heard.put)
        heard.get(timeout=WAIT_TIMEOUT_SECONDS)

        def live(thread: int) -> int:
            most = 0
            for i in range(10):
                store.commit([new_run_update(f"r{thread}-{i}")])
                assert store.get_run(f"r{thread}-{i}")
                if not thread:
                    ((seen,),) = other.execute(
                        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'bounded'"
                    )
                    most = max(most, seen)
            return most

        with ThreadPoolExecutor(8) as threads:
            assert max(threads.map(live, range(8))) == 3
    wait_for_rows(other, "SELECT 1 WHERE NOT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'bounded')")


def test_a_pool_checkout_timeout_raises_store_unavailable(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "CHECKOUT_TIMEOUT_SECONDS", 0.05)
    with closing(PostgresStore(url, StoreOptions(pool_size=1))) as store:
        with store._pool.connection(), pytest.raises(StoreUnavailable, match="db_pool_size"):
            store.get_run("r1")
        assert store.get_run("r1") is None


def test_connections_that_ended_while_idle_cost_nothing(url: str, other: psycopg.Connection) -> None:
    with closing(PostgresStore(url + "&application_name=mortal", StoreOptions())) as store:
        with store._pool.connection(), store._pool.connection():
            pass
        assert terminate_sessions(other, "mortal") == 2
        assert store.commit([new_run_update("r1")]) == [Committed()]
        assert terminate_sessions(other, "mortal") == 1
        assert store.get_run("r1") == make_run_row("r1")
        assert terminate_sessions(other, "mortal") == 1
        assert store.claim_work("me", Micros(1), Micros(1), 1, ORDERS) == []


def test_a_commit_whose_connection_ends_is_refused(store: PostgresStore, other: psycopg.Connection) -> None:
    store.commit([new_run_update("r1", [make_work_row("r1")])])
    with other.transaction():
        other.execute("SELECT 1 FROM runs FOR UPDATE")
        writing = run_in_thread(lambda: store.commit([run_update("r1", 1, work_removed=[(0, 1)])]))
        other.execute("SELECT pg_terminate_backend(%s, 5000)", (blocked_pid(other),))
        with pytest.raises(StoreUnavailable):
            writing.result(WAIT_TIMEOUT_SECONDS)
    assert store.get_run("r1") == make_run_row("r1")
    assert store.commit([run_update("r1", 1, work_removed=[(0, 1)])]) == [Committed()]


def test_a_read_whose_connection_ends_is_done_again(store: PostgresStore, other: psycopg.Connection) -> None:
    store.commit([new_run_update("r1")])
    with other.transaction():
        other.execute("LOCK TABLE runs")
        reading = run_in_thread(lambda: store.get_run("r1"))
        first = blocked_pid(other)
        other.execute("SELECT pg_terminate_backend(%s, 5000)", (first,))
        assert blocked_pid(other) != first
    assert reading.result(WAIT_TIMEOUT_SECONDS) == make_run_row("r1")


def test_a_listener_that_was_cut_off_listens_again(url: str, other: psycopg.Connection) -> None:
    with closing(open_store(url + "&application_name=ears")) as ears, closing(open_store(url)) as mouth:
        heard: SimpleQueue[Notification] = SimpleQueue()
        ears.listen(heard.put)
        for i in range(3):
            missed = heard.get(timeout=WAIT_TIMEOUT_SECONDS)
            assert (missed.work_available, missed.changed_runs) == (True, None)
            mouth.commit([new_run_update(f"r{i}", [make_work_row(f"r{i}")])])
            news = heard.get(timeout=WAIT_TIMEOUT_SECONDS)
            assert (news.work_available, news.changed_runs) == (True, frozenset())
            assert terminate_sessions(other, "ears") >= 1


def test_a_listener_may_have_a_url_of_its_own(url: str, other: psycopg.Connection) -> None:
    options = StoreOptions(listen_url=url + "&application_name=direct")
    with closing(open_store(url, options)) as store:
        heard: SimpleQueue[Notification] = SimpleQueue()
        store.listen(heard.put)
        heard.get(timeout=WAIT_TIMEOUT_SECONDS)
        assert terminate_sessions(other, "direct") == 1


# -- others on the same rows


def test_stores_that_claim_at_once_never_get_one_row_twice(url: str) -> None:
    with closing(open_store(url)) as one, closing(open_store(url)) as two:
        one.commit([new_run_update(f"r{i:03}", [make_work_row(f"r{i:03}")]) for i in range(400)])
        together = Barrier(4)

        def claim(store: Store, owner: str) -> list[str]:
            together.wait()
            mine: list[str] = []
            while taken := store.claim_work(owner, Micros(500), Micros(100), 7, ORDERS):
                mine += [row.run_id for row in taken]
            return mine

        with ThreadPoolExecutor(4) as threads:
            claims = [threads.submit(claim, store, f"o{i}") for i, store in enumerate((one, two, one, two))]
            taken = [run_id for claimed in claims for run_id in claimed.result()]
    assert sorted(taken) == [f"r{i:03}" for i in range(400)]


def test_a_claim_does_not_wait_for_what_another_is_taking(store: PostgresStore, other: psycopg.Connection) -> None:
    store.commit([new_run_update("r1", [make_work_row("r1")]), new_run_update("r2", [make_work_row("r2")])])
    with other.transaction():
        other.execute("SELECT 1 FROM work WHERE run_id = 'r1' FOR UPDATE")
        assert [row.run_id for row in store.claim_work("me", Micros(500), Micros(100), 9, ORDERS)] == ["r2"]
    assert [row.run_id for row in store.claim_work("me", Micros(500), Micros(100), 9, ORDERS)] == ["r1"]


def test_prune_skips_runs_that_are_being_written(store: PostgresStore, other: psycopg.Connection) -> None:
    store.commit([new_run_update(name, finished_at=1, status="failed") for name in ("r1", "r2")])
    store.commit(
        [new_run_update("r2/1", finished_at=1, status="failed", parent_id="r2"), new_run_update("r3", finished_at=1)]
    )
    with other.transaction():
        other.execute("UPDATE runs SET finished_at = NULL WHERE id IN ('r1', 'r2/1')")  # tried again, not yet committed
        assert store.prune(Micros(2), (), 9).pruned_count == 1
    assert [row.id for row in store.iter_runs()] == ["r1", "r2", "r2/1"]
    assert store.prune(Micros(2), (), 9).pruned_count == 0


@pytest.mark.parametrize("prepare", [True, False])
def test_batches_that_meet_advance_each_run_once_per_entry(url: str, prepare: bool) -> None:
    """Four writers in two stores, the same runs in different orders: nobody dies of a deadlock, and nothing is lost."""
    options = StoreOptions(prepare_statements=prepare)
    with closing(open_store(url, options)) as one, closing(open_store(url, options)) as two:
        names = [f"r{i}" for i in range(6)]
        one.commit([new_run_update(name) for name in names])
        together = Barrier(4)

        def write(store: Store, seed: int) -> int:
            dice, written = random.Random(seed), 0
            together.wait()
            for _ in range(25):
                some = dice.sample(names, 4)
                seqs = store.journal_lengths(some)
                verdicts = store.commit([run_update(name, seqs[name], [f"[{seed}]"]) for name in some])
                assert all(isinstance(verdict, (Committed, Conflict)) for verdict in verdicts)
                written += verdicts.count(Committed())
            return written

        with ThreadPoolExecutor(4) as threads:
            writers = [threads.submit(write, store, i) for i, store in enumerate((one, two, one, two))]
            written = sum(writer.result() for writer in writers)
        assert sum(one.journal_lengths(names).values()) == len(names) + written
        for name in names:
            assert [row.seq for row in one.read_journal(name)] == list(range(1, one.journal_lengths([name])[name] + 1))


def test_keys_that_are_taken_at_once_are_taken_once(url: str) -> None:
    with closing(open_store(url)) as one, closing(open_store(url)) as two:
        keys = [f"k{i}" for i in range(20)]
        together = Barrier(2)

        def bear(store: Store, owner: str, order: list[str]) -> dict[str, str]:
            together.wait()
            births = [
                new_run_update(f"{owner}-{key}", [make_work_row(f"{owner}-{key}")], idempotency_key=key)
                for key in order
            ]
            holders = {}
            for change, verdict in zip(births, store.commit(births), strict=True):
                assert isinstance(verdict, (Committed, Duplicate))
                key = change.run.idempotency_key
                assert key
                holders[key] = verdict.run.id if isinstance(verdict, Duplicate) else change.run.id
            return holders

        with ThreadPoolExecutor(2) as threads:
            first, second = threads.submit(bear, one, "a", keys), threads.submit(bear, two, "b", keys[::-1])
            assert first.result() == second.result()
        assert len(one.list_runs(RunFilter())) == len(keys)


def test_a_run_that_is_being_paused_gets_its_work_back_parked(store: PostgresStore, other: psycopg.Connection) -> None:
    """The pause has looked at the queue and is not on disk yet when the owner gives the work back."""
    row = make_work_row("r1", owner="me", lease_until=50)
    store.commit([new_run_update("r1", [row])])
    with other.transaction():
        other.execute("UPDATE runs SET status = 'paused', seq = 2")
        other.execute("UPDATE work SET parked = 1 WHERE owner IS NULL")
        releasing = run_in_thread(lambda: store.release_work("me", [row]))
        blocked_pid(other)
    releasing.result(WAIT_TIMEOUT_SECONDS)
    assert store.work_of_run("r1") == [make_work_row("r1", parked=True)]


def test_work_of_a_run_that_is_being_written_is_not_reclaimed(store: PostgresStore, other: psycopg.Connection) -> None:
    store.commit([new_run_update("r1", [make_work_row("r1", owner="late", lease_until=5)])])
    store.commit([new_run_update("r2", [make_work_row("r2", owner="late", lease_until=5)])])
    with other.transaction():
        other.execute("UPDATE runs SET status = 'paused' WHERE id = 'r1'")
        assert store.reclaim_expired(Micros(10)) == 1
    assert store.reclaim_expired(Micros(10)) == 1
    assert store.work_of_run("r1") == [make_work_row("r1", reclaimed=True, parked=True)]
    assert store.work_of_run("r2") == [make_work_row("r2", reclaimed=True)]


# -- locks


def test_waiting_for_a_lock_times_out(store: PostgresStore) -> None:
    with store._pool.connection() as connection:
        ((limit,),) = connection.execute("SELECT setting::BIGINT FROM pg_settings WHERE name = 'lock_timeout'")
    assert 0 < limit <= 60_000


@pytest.mark.parametrize("prepare", [True, False])
def test_a_lock_that_stays_is_an_error(url: str, other: psycopg.Connection, prepare: bool) -> None:
    options = StoreOptions(prepare_statements=prepare)
    with closing(open_store(url + "%20-clock_timeout%3D100", options)) as store:
        store.commit([new_run_update("r1", [make_work_row("r1")])])
        with other.transaction():
            other.execute("SELECT 1 FROM runs FOR UPDATE")
            with pytest.raises(StoreUnavailable, match="lock"):
                store.commit([run_update("r1", 1, work_removed=[(0, 1)]), new_run_update("r2")])
        assert store.get_run("r2") is None
        assert store.commit([run_update("r1", 1, work_removed=[(0, 1)]), new_run_update("r2")]) == [
            Committed(),
            Committed(),
        ]


# -- proxies


def test_without_prepared_statements_nothing_stays_in_a_session(postgres: Cluster, other: psycopg.Connection) -> None:
    options = StoreOptions(prepare_statements=False, schema="proxied", pool_size=1)
    try:
        with closing(PostgresStore(postgres.url(), options)) as store:
            for i in range(8):
                store.commit([new_run_update(f"r{i}", [make_work_row(f"r{i}", due_at=i)])])
                assert store.get_run(f"r{i}")
                taken = store.claim_work("me", Micros(500), Micros(100), 1, ORDERS)
                store.release_work("me", taken)
                store.renew_leases("me", Micros(600))
                store.reclaim_expired(Micros(1))
            assert store.commit([run_update("r1", 7), run_update("r2", 1)]) == [Conflict(), Committed()]
            with store._pool.connection() as connection:
                assert connection.execute("SELECT name FROM pg_prepared_statements").fetchall() == []
                assert connection.execute("SHOW search_path").fetchall() == [('"$user", public',)]
                assert (
                    connection.execute(
                        "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
                    ).fetchall()
                    == []
                )
                set_here = "SELECT name FROM pg_settings WHERE source = 'session'"
                assert connection.execute(set_here).fetchall() == []
    finally:
        other.execute("DROP SCHEMA IF EXISTS proxied CASCADE")


def test_one_who_only_reads_leaves_nothing_in_a_session(url: str) -> None:
    """Behind a proxy the next client would find itself unable to write."""
    open_store(url).close()
    options = StoreOptions(read_only=True, prepare_statements=False)
    with closing(PostgresStore(url, options)) as store, store._pool.connection() as connection:
        set_here = "SELECT name FROM pg_settings WHERE source = 'session'"
        assert connection.execute(set_here).fetchall() == []


# -- errors


def test_a_constraint_that_fails_is_an_error_and_writes_nothing(store: PostgresStore) -> None:
    with pytest.raises(StoreError, match="work_pkey") as caught:
        store.commit([new_run_update("r1"), new_run_update("r2", [make_work_row("r2"), make_work_row("r2")])])
    assert not isinstance(caught.value, StoreUnavailable)
    assert store.list_runs(RunFilter()) == []
    assert store.commit([new_run_update("r1")]) == [Committed()]


def test_a_table_that_vanished_is_an_error(store: PostgresStore, other: psycopg.Connection) -> None:
    other.execute("DROP TABLE journal CASCADE")
    for call in (lambda: store.read_journal("r1"), lambda: store.commit([new_run_update("r1")])):
        with pytest.raises(StoreUnusable, match="journal"):
            call()
    assert store.get_run("r1") is None


def test_a_statement_that_is_cancelled_is_an_error(store: PostgresStore, other: psycopg.Connection) -> None:
    store.commit([new_run_update("r1")])
    with other.transaction():
        other.execute("SELECT 1 FROM runs FOR UPDATE")
        writing = run_in_thread(lambda: store.commit([run_update("r1", 1)]))
        other.execute("SELECT pg_cancel_backend(%s)", (blocked_pid(other),))
        with pytest.raises(StoreUnavailable):
            writing.result(WAIT_TIMEOUT_SECONDS)
    assert store.commit([run_update("r1", 1)]) == [Committed()]


# -- a server that ends or hangs


@pytest.fixture(scope="module")
def mortal() -> Iterator[Cluster]:
    """A server of this module's own, which writes to disk before it answers."""
    with Cluster(durable=True) as server:
        yield server


def store_calls(store: Store) -> list[Callable[[], Any]]:
    return [
        lambda: store.get_run("r1"),
        lambda: store.read_journal("r1"),
        lambda: store.commit([new_run_update("lost")]),
        lambda: store.claim_work("me", Micros(1), Micros(1), 1, ORDERS),
        lambda: store.release_work("me", [make_work_row("r1")]),
        lambda: store.renew_leases("me", Micros(1)),
        lambda: store.reclaim_expired(Micros(1)),
        lambda: store.sample_clock(),
        lambda: list(store.iter_runs()),
    ]


def test_a_server_that_stops_and_comes_back(mortal: Cluster) -> None:
    with closing(open_store(mortal.url(), StoreOptions(schema="stops"))) as store:
        heard: SimpleQueue[Notification] = SimpleQueue()
        store.listen(heard.put)
        heard.get(timeout=WAIT_TIMEOUT_SECONDS)
        for how in ("fast", "immediate"):
            store.commit([new_run_update(how)])
            mortal.stop(how)
            for call in store_calls(store):
                with pytest.raises(StoreUnavailable):
                    call()
            mortal.start()
            for call in store_calls(store)[:2]:
                call()
            assert store.get_run(how) == make_run_row(how)
            assert store.commit([run_update(how, 1)]) == [Committed()]
            assert heard.get(timeout=WAIT_TIMEOUT_SECONDS).changed_runs is None


def test_what_was_acknowledged_survives_a_server_that_dies_in_the_middle(mortal: Cluster) -> None:
    with closing(open_store(mortal.url(), StoreOptions(schema="dies"))) as store:
        done, in_doubt, refused, under_way = set[str](), set[str](), Event(), Event()
        stop = Event()

        def write(thread: int) -> None:
            i = 0
            while not stop.is_set():
                i += 1
                names = [f"{thread}-{i}-{n}" for n in range(5)]
                try:
                    store.commit([new_run_update(name, [make_work_row(name)]) for name in names])
                except StoreUnavailable:
                    in_doubt.update(names)
                    refused.set()
                else:
                    done.update(names)
                    if i % 20 == 0:
                        under_way.set()

        threads = [Thread(target=write, args=(n,)) for n in range(3)]
        for thread in threads:
            thread.start()
        for _ in range(3):
            assert under_way.wait(WAIT_TIMEOUT_SECONDS)
            mortal.stop("immediate")
            assert refused.wait(WAIT_TIMEOUT_SECONDS)
            mortal.start()
            under_way.clear()
            refused.clear()
        assert under_way.wait(WAIT_TIMEOUT_SECONDS), "all by itself it goes on"
        stop.set()
        for thread in threads:
            thread.join()
        there = {row.id for row in store.iter_runs()}
        assert done <= there <= done | in_doubt
        for run_id in there:
            assert (len(store.read_journal(run_id)), len(store.work_of_run(run_id))) == (1, 1)


def test_a_server_that_hangs_is_given_up(mortal: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(open_store(mortal.url() + "?connect_timeout=2", StoreOptions(schema="hangs", pool_size=2))) as store:
        store.commit([new_run_update("r1")])
        with frozen_server(mortal), monkeypatch.context() as hasty:
            hasty.setattr(pipeline, "RESPONSE_TIMEOUT_SECONDS", 0.3)
            for call in (lambda: store.get_run("r1"), lambda: store.commit([new_run_update("r2")])):
                began = time.monotonic()
                with pytest.raises(StoreUnavailable):
                    call()
                assert time.monotonic() - began < WAIT_TIMEOUT_SECONDS
        assert store.get_run("r1") == make_run_row("r1")
        assert store.commit([new_run_update("r3")]) == [Committed()]


def test_closing_does_not_wait_for_a_server_that_hangs(mortal: Cluster) -> None:
    store = open_store(mortal.url(), StoreOptions(schema="closes"))
    heard: SimpleQueue[Notification] = SimpleQueue()
    store.listen(heard.put)
    heard.get(timeout=WAIT_TIMEOUT_SECONDS)
    with frozen_server(mortal):
        run_in_thread(store.close).result(WAIT_TIMEOUT_SECONDS)


def test_closing_does_not_wait_for_a_listener_that_connects(url: str) -> None:
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        silent = f"postgresql://127.0.0.1:{mute.getsockname()[1]}/db?connect_timeout=60"
        store = open_store(url, StoreOptions(listen_url=silent))
        store.listen(lambda news: None)
        connection, _ = mute.accept()
        with connection:
            run_in_thread(store.close).result(WAIT_TIMEOUT_SECONDS)


# -- forks

LISTENING = "\nstore.listen(lambda news: None)\n"


def test_a_child_is_refused_and_the_parent_goes_on(url: str) -> None:
    # with warnings as errors: also that the child drops its parent's connections without a word
    script = "import warnings\nwarnings.simplefilter('ignore', DeprecationWarning)\n"
    script += REFUSED.replace("store = open_store(url)", "store = open_store(url)" + LISTENING)
    with run_script(script, url) as parent:
        assert parent.read_line() == "True"
        assert parent.read_line() == "True 1 0"
    assert parent.process.returncode == 0


def test_a_child_has_a_store_of_its_own(url: str) -> None:
    with run_script(CHILD_LIVES, url) as parent:
        assert parent.read_line() == "done"
    with closing(open_store(url)) as store:
        assert [row.id for row in store.iter_runs()] == ["r1", "r2", "r3", "r4"]


def test_a_process_may_fork_while_its_threads_write(url: str) -> None:
    with run_script("import warnings\nwarnings.simplefilter('ignore', DeprecationWarning)\n" + BUSY, url) as parent:
        assert parent.read_line() == "20"
    assert parent.process.returncode == 0
