"""Leases for real: processes that are stopped, bodies that hold the interpreter, event loops that are blocked."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock import Context, DefaultRunner
from penstock.engine.verify import Checker
from penstock.runtime.clock import SystemClock
from penstock.storage import open_store
from tests.runner.conftest import SOON_SECONDS, Define

ROOT = Path(__file__).parents[2]
SAFETY_SECONDS = 60.0
LONGER_SECONDS = 2.0
"""a lease that is renewed in time on a busy machine, too"""


class Other:
    """A process of `tests.runner.stopped`."""

    def __init__(self, url: str, pipe: Path, **options: Any) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "tests.runner.stopped", url, json.dumps(options)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "HOG": str(pipe)},
        )
        self._deadline = threading.Timer(SAFETY_SECONDS, self.process.kill)
        self._deadline.start()
        self._pipe = pipe
        self.said: list[str] = []
        self._heard: list[str] = []

    def tell(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def hear(self, word: str) -> str:
        """The next line that begins so, of those that nobody has asked for yet; `said` has all of them."""
        assert self.process.stdout is not None
        for line in self._heard:
            if line.startswith(word):
                self._heard.remove(line)
                return line
        for line in map(str.strip, self.process.stdout):
            self.said.append(line)
            if line.startswith(word):
                return line
            self._heard.append(line)
        raise AssertionError(f"it ended with {self.process.wait()} before it said {word!r}; it said {self.said}")

    def start(self, name: str) -> str:
        self.tell(f"start {name}")
        return self.hear("started").split()[1]

    def stop(self) -> None:
        os.kill(self.process.pid, signal.SIGSTOP)
        os.waitpid(self.process.pid, os.WUNTRACED)

    def go_on(self) -> None:
        os.kill(self.process.pid, signal.SIGCONT)

    def let_interpreter_go(self) -> None:
        with self._pipe.open("r+b", buffering=0) as pipe:
            pipe.write(b"x")

    def end(self) -> None:
        self._deadline.cancel()
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def start_other(url: str, tmp_path: Path) -> Iterator[Callable[..., Other]]:
    pipe = tmp_path / "hog"
    os.mkfifo(pipe)
    keep = os.open(pipe, os.O_RDWR)
    made: list[Other] = []

    def start(at: str = url, **options: Any) -> Other:
        made.append(Other(at, pipe, **options))
        made[-1].hear("ready")
        return made[-1]

    yield start
    for other in made:
        other.end()
    os.close(keep)


@pytest.fixture
def taker(open_runner: Callable[..., DefaultRunner], define: Define) -> Callable[..., DefaultRunner]:
    """Opens a runner of this process that knows the other's workflows and ends them at once."""

    def mine(context: Context) -> None:
        context["by"] = "the taker"

    def open_(lease_seconds: float = 1.0) -> DefaultRunner:
        define("pair", ("first", mine, {}), ("second", mine, {}))
        define("queue", ("one", mine, {}), ("two", mine, {}))
        for name in ("hog", "loop", "heeds"):
            define(name, ("body", mine, {}))
        return open_runner(lease_seconds=lease_seconds, recovery_interval_seconds=3600, max_crashes_per_task=1)

    return open_


def renewed(url: str, run_id: str) -> None:
    """Returns when a lease of the run was renewed twice more."""
    store, seen = open_store(url), set[int]()
    end = SystemClock().steady() + int(SAFETY_SECONDS * 1e6)
    while len(seen) < 3:
        assert SystemClock().steady() < end, "nobody renews it"
        seen |= {row.lease_until for row in store.work(run_id)}
        threading.Event().wait(0.05)  # nobody tells of it
    store.close()


def watched(runner: DefaultRunner, monkeypatch: pytest.MonkeyPatch, lease_seconds: float) -> Callable[[], None]:
    """Returns what waits until the runner would have taken an expired lease, were there one."""
    store, looks = runner._engine.store, threading.Semaphore(0)
    real = store.next_expiry

    def counted(owner: str) -> int | None:
        looks.release()
        return real(owner)

    monkeypatch.setattr(store, "next_expiry", counted)

    def wait() -> None:
        clock = SystemClock()
        end = clock.steady() + int(2.5e6 * lease_seconds)
        looked = 0
        while clock.steady() < end or looked < 5:
            assert looks.acquire(timeout=SAFETY_SECONDS)
            looked += 1

    return wait


def sound(runner: DefaultRunner) -> bool:
    return [str(v) for v in Checker(runner._engine.store, SystemClock().now).violations()] == []


def test_a_stopped_runner_that_wakes_up_tells_its_bodies_and_frees_their_slots(
    start_other: Callable[..., Other], taker: Callable[..., DefaultRunner]
) -> None:
    """Beyond its lease its work was done by another runner, which does not count that as a crash."""
    other = start_other()
    run_id = other.start("pair")
    other.hear("begun first")
    other.stop()
    runner = taker()
    result = runner.handle(run_id).result(SOON_SECONDS)
    assert (result.status, result.final_context["by"]) == ("Completed", "the taker")
    other.go_on()
    other.hear("told first")
    other.tell("rest")
    other.hear("at rest")  # though the body has not returned
    assert "begun second" not in other.said
    assert sound(runner)


def test_a_stopped_runner_that_wakes_up_begins_nothing_it_may_have_lost(
    start_other: Callable[..., Other], taker: Callable[..., DefaultRunner]
) -> None:
    """Also in the moment in which its loop has not yet noticed anything."""
    other = start_other(enable_recovery=False)  # so that it does not hand back what waits for its slot
    run_id = other.start("queue")
    other.hear("begun one")
    other.tell("hold")
    other.hear("held")
    other.stop()
    runner = taker()
    assert runner.handle(run_id).result(SOON_SECONDS).final_context["by"] == "the taker"
    other.go_on()
    other.tell("go one")
    other.tell("rest")
    other.hear("at rest")
    other.tell("free")
    other.start("next")
    other.hear("begun quick")
    assert "begun two" not in other.said
    assert sound(runner)


def test_leases_are_renewed_as_long_as_a_body_runs(url: str, start_other: Callable[..., Other]) -> None:
    other = start_other()
    run_id = other.start("queue")
    other.hear("begun one")
    renewed(url, run_id)
    other.tell("go one")
    other.hear("begun two")


def test_a_stopped_runner_that_lost_nothing_goes_on(start_other: Callable[..., Other]) -> None:
    """Nobody else was there: what runs is not told to stop, and what waited begins."""
    other = start_other(enable_recovery=False)  # so that it does not hand back what waits for its slot
    other.start("queue")
    other.hear("begun one")
    other.tell("hold")
    other.hear("held")
    other.stop()
    ended = threading.Event()
    assert not ended.wait(1.5)  # its lease
    other.go_on()
    other.tell("go one")
    other.tell("rest")
    other.hear("at rest")
    assert "begun two" not in other.said, "nobody knows yet whether it is still its own"
    other.tell("free")
    other.hear("begun two")


@pytest.mark.parametrize("name", ["hog", "loop"])
def test_a_healthy_runner_keeps_work_that_takes_longer_than_its_lease(
    name: str,
    url: str,
    start_other: Callable[..., Other],
    taker: Callable[..., DefaultRunner],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Though its body holds the interpreter or blocks the event loop meanwhile."""
    other = start_other(lease_seconds=LONGER_SECONDS)
    run_id = other.start(name)
    other.hear("begun body")
    if not url.startswith("sqlite") and name == "hog":
        renewed(url, run_id)
    runner = taker(LONGER_SECONDS)
    watched(runner, monkeypatch, LONGER_SECONDS)()
    assert runner.handle(run_id).status == "Running"
    if name == "hog":
        other.let_interpreter_go()
    else:
        other.tell("go loop")
    result = runner.handle(run_id).result(SOON_SECONDS)
    assert (result.status, result.final_context["by"]) == ("Completed", "the first")
    assert result.task_results[0].attempt_count == 1
    assert sound(runner)
