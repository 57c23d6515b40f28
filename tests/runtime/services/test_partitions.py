"""F21: a runner that the network is taken away from stops at the end of its lease, and another one goes on."""

from __future__ import annotations

import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from holdwater import Context, DefaultRunner, TaskHandle
from holdwater.runs.verify.checker import StoreChecker
from holdwater.runtime.clock import SystemClock
from tests.crash.test_server_restarts import EffectsLog, assert_consistent, count_accepted, start_loads
from tests.engine.other_runners import SAFETY_SECONDS, OtherProcess, start_other, wait_for_two_renewals
from tests.postgres.cluster import Cluster
from tests.postgres.proxy import FAULTS, Fault, Proxy
from tests.suite.runners import Define

__all__ = ["start_other"]

LEASE_SECONDS = 3.0
RUNS = 3
SHORT_SILENCE = {"silence_seconds": 5.0}
"""a connection on which no reply comes any more is given up"""


@pytest.fixture
def proxy(postgres: Cluster) -> Iterator[Proxy]:
    with Proxy(postgres.port) as made:
        yield made


@pytest.fixture
def url(new_schema: Callable[[], str]) -> str:
    return new_schema()


def url_through_proxy(proxy: Proxy, url: str) -> str:
    """The same database, behind the proxy."""
    parts = urlsplit(url)
    host = f"{parts.username}@{parts.hostname}:{proxy.port}"
    return parts._replace(netloc=host, query=f"{parts.query}&connect_timeout=2".lstrip("&")).geturl()


def actors_by_task(path: Path) -> dict[str, dict[str, list[int]]]:
    """Task of a run -> who acted for it -> when, in nanoseconds of the machine's monotonic clock."""
    found: defaultdict[str, defaultdict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for line in path.read_text().splitlines():
        key, at, by = line.split(" ", 2)
        found[key][by].append(int(at))
    return {key: dict(acted) for key, acted in found.items()}


@pytest.fixture
def open_taker(
    open_runner: Callable[..., DefaultRunner], define: Define, tmp_path: Path
) -> Callable[[], DefaultRunner]:
    """Opens a runner of this process that is not cut off, and whose bodies act once."""

    def act(context: Context, handle: TaskHandle) -> None:
        with (tmp_path / "effects").open("a") as file:
            file.write(f"{handle.idempotency_key} {time.monotonic_ns()} the taker\n")
        context[handle.task_id] = "the taker"

    def open_() -> DefaultRunner:
        define("effects", ("one", act, {}), ("two", act, {}))
        return open_runner(lease_seconds=LEASE_SECONDS, recovery_interval_seconds=3600)

    return open_


@pytest.mark.parametrize("fault", FAULTS)
def test_a_partitioned_runner_stops_when_its_lease_expires(
    fault: Fault,
    url: str,
    proxy: Proxy,
    start_other: Callable[..., OtherProcess],
    open_taker: Callable[[], DefaultRunner],
    tmp_path: Path,
) -> None:
    """Though its loop is in a call that hangs.  What it had, begun and waiting for a slot, is done by the other one."""
    other = start_other(  # without recovery it does not hand back what waits for its slot
        url_through_proxy(proxy, url), lease_seconds=LEASE_SECONDS, enable_recovery=False, **SHORT_SILENCE
    )
    run_ids = [other.start_run("effects") for _ in range(RUNS)]
    other.wait_for_line("begun")
    wait_for_two_renewals(url, run_ids[-1])  # from now on all its leases end at once
    taker = open_taker()
    proxy.inject_fault(fault)
    other.wait_for_line("told")
    results = [taker.handle(run_id).result(SAFETY_SECONDS) for run_id in run_ids]
    assert {(r.status, r.final_context["one"], r.final_context["two"]) for r in results} == {
        ("Completed", "the taker", "the taker")
    }
    proxy.clear_fault()
    next_id = other.start_run("next again")
    other.wait_for_line("begun quick")
    other.send_line("rest")
    other.wait_for_line("at rest")
    assert taker.handle(next_id).result(SAFETY_SECONDS).status == "Completed"
    assert len([line for line in other.output_lines if line.startswith("begun")]) == 2, "nothing began after its lease"
    acted = actors_by_task(tmp_path / "effects")
    assert len(acted) == 2 * RUNS
    assert {len(by["the taker"]) for by in acted.values()} == {1}
    (shared,) = [by for by in acted.values() if len(by) == 2]
    assert max(shared["the first"]) < shared["the taker"][0], "effects of two attempts overlap"
    store = taker._engine.store
    assert [str(v) for v in StoreChecker(store, SystemClock().now).find_violations()] == []


@pytest.mark.parametrize("faults", [3, pytest.param(30, marks=[pytest.mark.long, pytest.mark.timeout(900)])])
def test_partitions_under_load(faults: int, postgres: Cluster, proxy: Proxy, tmp_path: Path) -> None:
    """Two runners take orders, one of them behind a bad network: each order is done, and recorded once.

    Partitions end before the lease, at its end, or beyond it.
    """
    name = f"partitions_{faults}"
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    url = postgres.url(name)
    rng = random.Random(faults)
    log = tmp_path / "effects"
    effects = EffectsLog(log)
    options: dict[str, Any] = {"lease_seconds": 1, "recovery_interval_seconds": 1, **SHORT_SILENCE}
    with (
        start_loads(url, log, 1, "near", **options) as (near,),
        start_loads(url_through_proxy(proxy, url), log, 1, "far", **options) as (far,),
    ):
        near.send_line("load")
        far.send_line("load")
        for n in range(faults):
            effects.wait_for_lines(rng.randrange(20, 200))
            proxy.inject_fault(FAULTS[n % len(FAULTS)])
            threading.Event().wait(rng.choice([0.3, 1.0, 2.5]))  # a length of the fault, no wait for anything
            effects.wait_for_lines(1)  # the other one goes on
            proxy.clear_fault()
        effects.wait_for_lines(100)
        count = count_accepted([near, far])
        assert_consistent(url, effects, count)
