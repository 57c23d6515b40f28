"""The database server dies, hangs, and throws its clients out, while runners work: nothing is lost or done again."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from holdwater import Context, DefaultRunner
from holdwater.errors import RunNotFinished, StoreUnavailable
from holdwater.runs.verify.checker import StoreChecker
from holdwater.runtime.clock import SystemClock
from holdwater.storage import open_store
from holdwater.storage.postgres import pipeline
from tests.crash.load import TASKS
from tests.postgres.cluster import Cluster
from tests.suite.runners import Define, define

__all__ = ["define"]

ROOT = Path(__file__).parents[2]
ANSWER_TIMEOUT_SECONDS = 20.0
PROCESS_TIMEOUT_SECONDS = 600.0


class LoadProcess:
    """A process of `tests.crash.load`."""

    def __init__(self, url: str, log: Path, name: str, **options: Any) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "tests.crash.load", url, str(log), name, json.dumps(options)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def send_line(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def wait_for_answer(self, key: str) -> dict[str, Any]:
        """Its next answer with such a key."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            said: dict[str, Any] = json.loads(line)
            if key in said:
                return said
        raise AssertionError(f"the process ended with {self.process.wait()} before it said {key!r}")

    def wait_for_refusal(self, since_ns: int) -> None:
        while self.wait_for_answer("refused")["refused"] < since_ns:
            pass


def kill_all(loads: list[LoadProcess]) -> None:
    for load in loads:
        load.process.kill()


@contextmanager
def start_loads(url: str, log: Path, count: int, name: str = "p", **options: Any) -> Iterator[list[LoadProcess]]:
    """So many runner processes, ready to work; at the end they have to leave in order."""
    log.touch()
    with ExitStack() as stack:
        made = [LoadProcess(url, log, f"{name}{n}", **options) for n in range(count)]
        for load in made:
            stack.enter_context(load.process)
        stack.callback(kill_all, made)
        deadline = threading.Timer(PROCESS_TIMEOUT_SECONDS, kill_all, [made])
        deadline.daemon = True
        deadline.start()
        stack.callback(deadline.cancel)
        for load in made:
            load.wait_for_answer("ready")
        yield made
        for load in made:
            assert load.process.stdin is not None
            load.process.stdin.close()
        for load in made:
            assert load.process.wait(ANSWER_TIMEOUT_SECONDS) == 0


class EffectsLog:
    """The log all bodies write to."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def wait_for_lines(self, lines: int) -> None:
        """Wait until so many more bodies have begun."""
        aim = self._count_lines() + lines
        end = time.monotonic() + ANSWER_TIMEOUT_SECONDS
        while self._count_lines() < aim:
            assert time.monotonic() < end, "the work stands still"

    def _count_lines(self) -> int:
        threading.Event().wait(0.005)  # a file tells nobody that it grew
        return self._path.read_bytes().count(b"\n")

    def read_all(self) -> list[tuple[str, int, int]]:
        """(task's key, when its body began, process) of each."""
        rows = [line.split() for line in self._path.read_text().splitlines()]
        return [(key, int(at), int(pid)) for key, at, pid in rows]


def recorded_successes(url: str) -> dict[str, tuple[int, int]]:
    """Task's key -> how often its success is in the journal, and when first."""
    found: dict[str, tuple[int, int]] = {}
    with psycopg.connect(url) as connection:
        connection.execute("SET search_path = holdwater")
        for run, at, entries in connection.execute("SELECT run_id, at, entries FROM journal ORDER BY run_id, seq"):
            for entry in json.loads(entries):
                if entry[0] == "succeeded":
                    key = f"{run}:t{entry[1]}"
                    times, first = found.get(key, (0, at))
                    found[key] = times + 1, first
    return found


def assert_consistent(url: str, effects: EffectsLog, accepted: int) -> None:
    """Every accepted run has ended well, each task is recorded once, and none began after it was recorded."""
    done = recorded_successes(url)
    assert len(done) == TASKS * accepted
    assert {times for times, _ in done.values()} == {1}
    assert [key for key, at, _ in effects.read_all() if at > done[key][1]] == [], "recorded tasks ran again"
    store = open_store(url)
    try:
        checker = StoreChecker(store, SystemClock().now)
        assert [str(v) for v in checker.find_violations()] == []
        assert checker.counts.runs == accepted
        assert {head.status for head in store.iter_runs()} == {"completed"}
    finally:
        store.close()


def count_accepted(loads: list[LoadProcess]) -> int:
    """Stop the load; how many runs were accepted."""
    for load in loads:
        load.send_line("stop")
    said = [load.wait_for_answer("accepted") for load in loads]
    assert [s["completed"] for s in said] == [s["accepted"] for s in said]
    return sum([s["accepted"] for s in said])


@pytest.fixture(scope="module")
def durable() -> Iterator[Cluster]:
    with Cluster(durable=True) as cluster:
        yield cluster


@pytest.fixture
def url(durable: Cluster) -> str:
    """An empty database of the server."""
    name = f"d{os.urandom(4).hex()}"
    with psycopg.connect(durable.url(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return durable.url(name)


@pytest.mark.parametrize(
    ("restarts", "size"), [(2, 100), pytest.param(20, 1000, marks=[pytest.mark.long, pytest.mark.timeout(900)])]
)
def test_the_server_is_killed_and_comes_back(
    restarts: int, size: int, durable: Cluster, url: str, tmp_path: Path
) -> None:
    """F05."""
    rng = random.Random(restarts)
    effects = EffectsLog(tmp_path / "effects")
    with start_loads(url, tmp_path / "effects", 2, lease_seconds=5, recovery_interval_seconds=5) as (one, two):
        one.send_line(f"batch {size}")
        before = one.wait_for_answer("seconds")["seconds"]
        one.send_line("load")
        two.send_line("load")
        downs: list[float] = []
        for n in range(restarts):
            effects.wait_for_lines(rng.randrange(1, 300))
            since = time.time_ns()
            durable.stop("immediate")
            if n % 2:  # else it is back before anybody has been refused, perhaps
                rng.choice([one, two]).wait_for_refusal(since)
            durable.start()
            downs.append((time.time_ns() - since) / 1e9)
        effects.wait_for_lines(100)
        count = count_accepted([one, two])
        one.send_line(f"batch {size}")
        after = one.wait_for_answer("seconds")["seconds"]
        count += size
        assert_consistent(url, effects, count)
    print(
        f"\n{restarts} restarts, down {min(downs):.2f} to {max(downs):.2f} s, {count} runs; "
        f"a batch of {size}: {before:.2f} s before, {after:.2f} s after, throughput x{before / after:.2f}"
    )


@pytest.mark.parametrize("kills", [60, pytest.param(600, marks=[pytest.mark.long, pytest.mark.timeout(900)])])
def test_connections_are_ended_at_random(kills: int, durable: Cluster, url: str, tmp_path: Path) -> None:
    """F06."""
    rng = random.Random(kills)
    effects = EffectsLog(tmp_path / "effects")
    killed = {"LISTEN": 0, "others": 0}
    with start_loads(url, tmp_path / "effects", 2, lease_seconds=5, recovery_interval_seconds=5) as (one, two):
        one.send_line("load")
        two.send_line("load")
        with psycopg.connect(url, autocommit=True) as admin:
            for _ in range(kills):
                effects.wait_for_lines(rng.randrange(1, 40))
                found = admin.execute(
                    "SELECT pid, query LIKE 'LISTEN%' FROM pg_stat_activity "
                    "WHERE application_name = 'holdwater' AND datname = current_database() ORDER BY pid"
                ).fetchall()
                pid, listens = rng.choice(found)
                admin.execute("SELECT pg_terminate_backend(%s)", (pid,))
                killed["LISTEN" if listens else "others"] += 1
        effects.wait_for_lines(100)
        count = count_accepted([one, two])
        assert_consistent(url, effects, count)
    assert killed["LISTEN"]
    assert killed["others"]


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that hangs is given up quickly, and asked again quickly."""
    monkeypatch.setattr(pipeline, "RESPONSE_TIMEOUT_SECONDS", 0.3)


def test_a_server_that_hangs(durable: Cluster, url: str, hasty: None, define: Define) -> None:
    """Callers are told in time; work that is under way goes on when the server does."""
    begun, go_on = threading.Event(), threading.Event()
    ran: list[str] = []

    def first(context: Context) -> None:
        ran.append("first")
        begun.set()
        assert go_on.wait(ANSWER_TIMEOUT_SECONDS)

    define("w", ("a", first, {}), ("b", lambda context: ran.append("b"), {"dependencies": ["a"]}))
    with DefaultRunner(f"{url}?connect_timeout=2") as runner:
        handle = runner.submit("w")
        assert begun.wait(ANSWER_TIMEOUT_SECONDS)
        durable.freeze()
        try:
            asked = time.monotonic()
            with pytest.raises(StoreUnavailable, match=r"not answered|timeout expired"):
                runner.submit("w", idempotency_key="k")
            with pytest.raises(StoreUnavailable, match=r"not answered|timeout expired"):
                runner.list_runs()
            with pytest.raises(RunNotFinished):
                handle.result(0.1)
            assert time.monotonic() - asked < 30
            go_on.set()  # its end is met by a server that hangs
        finally:
            durable.thaw()
        assert handle.result(ANSWER_TIMEOUT_SECONDS).status == "Completed"
        again = runner.submit("w", idempotency_key="k")  # the first try may have been written after the thaw
        assert again.result(ANSWER_TIMEOUT_SECONDS).status == "Completed"
        assert len(runner.list_runs()) == 2
    assert sorted(ran) == ["b", "b", "first", "first"]


@pytest.mark.parametrize(
    ("processes", "runs"),
    [
        (2, 300),
        pytest.param(4, 300, marks=pytest.mark.long),
        pytest.param(2, 10_000, marks=[pytest.mark.long, pytest.mark.timeout(900)]),
        pytest.param(4, 10_000, marks=[pytest.mark.long, pytest.mark.timeout(900)]),
    ],
)
def test_runners_compete(processes: int, runs: int, url: str, tmp_path: Path) -> None:
    """F07: one takes the orders, and has no room for all of them.

    Bodies wait until each process has begun one, which nothing but news can lead it to.  From then on they end at once,
    and it is all the same where.
    """
    effects = EffectsLog(tmp_path / "effects")
    options: dict[str, Any] = {"max_concurrent_tasks": 2, "prefetch_tasks": 4, "recovery_interval_seconds": 3600}
    with start_loads(url, tmp_path / "effects", processes, **options) as made:
        for load in made:
            load.send_line("hold")
            load.wait_for_answer("holds")
        first = made[0]
        first.send_line(f"batch {runs}")
        assert {load.wait_for_answer("held")["held"] for load in made} == {load.process.pid for load in made}
        for load in made:
            load.send_line("go")
        assert first.wait_for_answer("seconds")["completed"] == runs
        assert_consistent(url, effects, runs)
    began = effects.read_all()
    assert len({key for key, *_ in began}) == len(began) == TASKS * runs, "without any fault each body runs once"
