"""Versions follow each other in a watched folder while runs are started all the time, and processes are killed."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
from collections.abc import Iterator
from functools import partial

import pytest

from holdwater.client import Client
from holdwater.errors import HoldwaterError
from holdwater.model.records import RunRow
from holdwater.operations.databases import open_for_reading
from holdwater.operations.verification import verify_database
from tests.daemon.daemon_process import DaemonProcess
from tests.daemon.packages import archive, schedule
from tests.suite.effort import LONG
from tests.suite.waiting import poll_pause

NOTES_ITS_VERSION = """
from holdwater import WorkflowBuilder, task

with WorkflowBuilder("orders"):

    @task()
    def first(context):
        context["first"] = {version!r}

    @task(dependencies=[first])
    def second(context):
        context["second"] = {version!r}
"""


def version(number: int) -> bytes:
    name = f"{number}.0"
    often = schedule("orders", "* * * * * *", "often")
    return archive("orders", name, NOTES_ITS_VERSION.format(version=name), more=often)


@pytest.mark.parametrize(("versions", "runs", "kills"), [(2, 40, 0), pytest.param(8, 600, 12, marks=LONG)])
def test_no_run_is_lost_or_on_a_wrong_release(daemon: DaemonProcess, versions: int, runs: int, kills: int) -> None:
    daemon.start()
    daemon.put("1.cloacina", version(1))
    daemon.wait_for(orders="1.0 active")
    ids: list[str] = []
    is_over = threading.Event()
    with Client(daemon.url) as client, submitting(client, ids, is_over):
        for number in range(2, versions + 1):
            wait_for_runs(ids, runs * (number - 1) // versions)
            daemon.put(f"{number}.cloacina", version(number))
            kill_something(daemon, kills // versions)
            daemon.wait_for(orders=f"{number}.0 active")
            daemon.wait_until(partial(runs_of_version, daemon, ids, f"{number}.0"))
            (daemon.packages / f"{number - 1}.cloacina").unlink()
        wait_for_runs(ids, runs)
        is_over.set()
    daemon.wait_until(lambda: not [run for run in daemon.runs(status="running") if run.id in set(ids)])
    daemon.wait_until(lambda: list(daemon.states()) == [f"orders {versions}.0"])
    with Client(daemon.url) as client:
        results = {run_id: client.get_run(run_id) for run_id in ids}
    with open_for_reading(daemon.url) as database:
        by_release = {row.release: row.version for row in database.store.list_releases()}
        seen = set()
        for run_id in ids:
            row = database.store.get_run(run_id)
            assert row is not None
            assert row.status == "completed", (row, daemon.log())
            assert row.release is not None
            wanted = by_release[row.release]
            context = results[run_id].final_context
            assert (context["first"], context["second"]) == (wanted, wanted)
            seen.add(wanted)
        assert len(seen) >= 2
        violations: list[object] = []
        verify_database(database, violations.append)
        assert not violations
    assert daemon.stop() == 0


@contextlib.contextmanager
def submitting(client: Client, ids: list[str], is_over: threading.Event) -> Iterator[None]:
    """Start runs one after the other, in a thread, until that is over."""

    def submit() -> None:
        while not is_over.is_set():
            with contextlib.suppress(HoldwaterError):  # between two versions, or the database is busy
                ids.append(client.submit("orders", {}).run_id)

    thread = threading.Thread(target=submit)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def runs_of_version(daemon: DaemonProcess, ids: list[str], version: str) -> list[RunRow]:
    """The latest of these runs that are of a version."""
    with open_for_reading(daemon.url) as database:
        releases = [row.release for row in database.store.list_releases() if row.version == version]
        rows = [database.store.get_run(run_id) for run_id in ids[-20:]]
    return [row for row in rows if row is not None and row.release in releases]


def wait_for_runs(ids: list[str], count: int) -> None:
    while len(ids) < count:
        poll_pause()


def kill_something(daemon: DaemonProcess, times: int) -> None:
    """Kill the daemon, or one of its hosts, at some moment."""
    choose = random.Random(times)
    for _ in range(times):
        hosts = [host["pid"] for host in (daemon.health() or {"hosts": []})["hosts"]]
        if hosts and choose.random() < 0.5:
            with contextlib.suppress(ProcessLookupError):
                os.kill(choose.choice(hosts), signal.SIGKILL)
        else:
            daemon.kill()
            daemon.start()
