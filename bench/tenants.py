"""Sleeping tenants of one `holdwater serve`: what they cost, how late they wake, and how a busy one weighs on others.

usage: tenants.py [--tenants 1000] [--seconds 30] [--spread 120] [--at-once] [--backlog 3000] [--starts 200]

Every tenant has a package with one workflow, and a schedule of it once an hour.  The server is started anew for each
part, on a PostgreSQL server of its own:

1. all sleep: connections, memory per tenant, transactions per second, the time a sleeping tenant takes to answer;
2. schedules are due, spread over `--spread` seconds, and with `--at-once` then all in one second: the time from the
   instant of a schedule to the creation of its run, and the most connections and engines while that goes on;
3. a tenant has a backlog of runs: the time to start a run in another tenant and until its end, beside it and without.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
from psycopg import sql

sys.path.insert(0, str(Path(__file__).parent.parent))
sys.path.insert(0, str(Path(__file__).parent))
from server import KEY, free_port, new_database, server_process

from tests.postgres.cluster import Cluster
from tests.server.serving.packages import archive, upload, wait_for_state
from tests.suite.waiting import wait_until

MODEL = "t0"
"""the tenant that the others are copies of"""
COPIED_TABLES = ("plans", "workflows", "releases", "release_archives", "schedules")
MAKERS = 4
SETTLING_SECONDS = 60.0
"""the next instant of every tenant is read when a server begins"""
LEAD_SECONDS = 45.0
"""from the start of a server to the first instant of a schedule"""
MINUTE_US, HOUR_US = 60_000_000, 3_600_000_000


@dataclass
class Bench:
    """A server under measurement."""

    url: str
    home: Path
    tenants: int

    @contextmanager
    def serve(self) -> Iterator[httpx.Client]:
        """Serve until the block ends; gives an administrator's client."""
        port = free_port()
        command = [sys.executable, "-m", "holdwater", "serve", "--bind", f"127.0.0.1:{port}"]
        rates = ("REQUESTS_PER_SECOND", "REQUEST_BURST", "UPLOADS_PER_MINUTE")
        environment = {
            "DATABASE_URL": self.url,
            "HOLDWATER_BOOTSTRAP_KEY": KEY,
            "HOLDWATER_SERVER_TENANT_IDLE_S": "5",
            **{f"HOLDWATER_SERVER_{name}": "100000" for name in rates},
        }
        headers = {"authorization": f"Bearer {KEY}"}
        with (
            server_process([*command, "--home", str(self.home)], port, environment, "/ready"),
            httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=120.0) as client,
        ):
            yield client

    def query(self, statement: Any, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(statement, values)
            return cursor.fetchall() if cursor.description else []

    def each_tenant(self, statement: str, values: Callable[[int], tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """Execute a statement in the schema of every tenant, which it names `{}`; gives all rows."""
        found: list[tuple[Any, ...]] = []
        with psycopg.connect(self.url, autocommit=True) as connection:
            for number in range(self.tenants):
                text = sql.SQL(statement).format(sql.Identifier(f"t{number}"))  # type: ignore[arg-type]
                cursor = connection.execute(text, values(number))
                found += cursor.fetchall() if cursor.description else []
        return found

    def connections(self) -> int:
        ((count,),) = self.query(
            "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
            " AND datname = current_database() AND pid <> pg_backend_pid()"
        )
        return int(count)

    def commits(self) -> int:
        ((count,),) = self.query("SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()")
        return int(count)


def load() -> str:
    return f"load {os.getloadavg()[0]:.1f}"


def percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def resident_mb(client: httpx.Client) -> float:
    pid = client.get("/v1/server").json()["pid"]
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 / 1e6


def make_tenants(bench: Bench) -> None:
    """Make one with a package and a schedule, and others that are copies of it."""
    with bench.serve() as client, ThreadPoolExecutor(MAKERS) as pool:
        client.post("/v1/tenants", json={"name": MODEL}).raise_for_status()
        release = upload(client, archive(), tenant=MODEL).json()["package_id"]
        wait_for_state(client, release, "active", tenant=MODEL)
        wait_until(lambda: client.get(f"/v1/tenants/{MODEL}/workflows/orders").status_code == 200)
        schedule = {"name": "hourly", "workflow_name": "orders", "cron_expression": "0 * * * *"}
        client.post(f"/v1/tenants/{MODEL}/triggers", json=schedule).raise_for_status()

        def make(number: int) -> float:
            began = time.perf_counter()
            client.post("/v1/tenants", json={"name": f"t{number}"}).raise_for_status()
            return time.perf_counter() - began

        took = list(pool.map(make, range(1, bench.tenants)))
        print(f"a tenant is made in {percentile(took, 0.5) * 1000:.0f} ms (median, {MAKERS} at a time; {load()})")
    for table in COPIED_TABLES:
        copied = f"INSERT INTO {{}}.{table} SELECT * FROM {MODEL}.{table} ON CONFLICT DO NOTHING"
        bench.each_tenant(copied, lambda number: ())
    for number in range(1, bench.tenants):
        shutil.copytree(bench.home / "tenants" / MODEL, bench.home / "tenants" / f"t{number}", symlinks=True)


def set_schedules(bench: Bench, first_at: int, spread_seconds: float) -> None:
    """Have the schedules be due once an hour, one after the other from an instant on.  The server is not there."""

    def due(number: int) -> tuple[Any, ...]:
        at = first_at + int(spread_seconds * number / bench.tenants) * 1_000_000
        second, minute = at // 1_000_000 % 60, at // MINUTE_US % 60
        return f"{second} {minute} * * * *", at, at - HOUR_US

    bench.each_tenant("UPDATE {}.schedules SET expression = %s, next_at = %s, settled_at = %s", due)


def measure_sleeping(bench: Bench, seconds: float, empty_mb: float) -> None:
    set_schedules(bench, int(time.time() + 3000) * 1_000_000, 0.0)
    began = time.perf_counter()
    with bench.serve() as client:
        started = time.perf_counter() - began
        time.sleep(SETTLING_SECONDS)
        wait_until(lambda: not client.get("/v1/server").json()["engines"])
        before = bench.commits()
        time.sleep(seconds)
        rate = (bench.commits() - before) / seconds
        held_mb, connections = resident_mb(client), bench.connections()
        print(
            f"{bench.tenants:,} tenants asleep: started in {started:.1f} s, {connections} connections, "
            f"{held_mb:.0f} MB, {(held_mb - empty_mb) / bench.tenants * 1000:.0f} kB each, "
            f"{rate:.1f} transactions/s ({load()})"
        )
        took = []
        for number in range(0, bench.tenants, max(1, bench.tenants // 50)):
            began = time.perf_counter()
            client.get(f"/v1/tenants/t{number}/executions").raise_for_status()
            took.append((time.perf_counter() - began) * 1000)
        middle, late = percentile(took, 0.5), percentile(took, 0.95)
        print(f"a sleeping tenant answers in {middle:.0f} ms, p95 {late:.0f} ms ({len(took)} tenants; {load()})")


def measure_lateness(bench: Bench, spread_seconds: float) -> None:
    first_at = int(time.time() + LEAD_SECONDS + bench.tenants * 0.02) * 1_000_000
    set_schedules(bench, first_at, spread_seconds)
    most = {"connections": 0, "engines": 0}
    with bench.serve() as client:
        give_up = first_at / 1e6 + spread_seconds + 600.0
        late: list[float] = []
        while len(late) < bench.tenants and time.time() < give_up:
            most["connections"] = max(most["connections"], bench.connections())
            most["engines"] = max(most["engines"], len(client.get("/v1/server").json()["engines"]))
            time.sleep(1.0)
            if time.time() > first_at / 1e6 + spread_seconds:
                rows = bench.each_tenant(
                    "SELECT r.created_at - e.scheduled_at FROM {0}.schedule_executions e JOIN {0}.runs r"
                    " ON r.id = e.run_id WHERE e.scheduled_at >= %s",
                    lambda number: (first_at,),
                )
                late = [us / 1e6 for (us,) in rows]
    how = f"over {spread_seconds:g} s" if spread_seconds else "in one second"
    print(
        f"{len(late):,} of {bench.tenants:,} schedules due {how}: late by {percentile(late, 0.5):.2f} s (median), "
        f"p95 {percentile(late, 0.95):.2f} s, at most {max(late):.2f} s; at most {most['connections']} connections, "
        f"{most['engines']} engines awake ({load()})"
    )


def time_starts(client: httpx.Client, tenant: str, starts: int) -> tuple[list[float], list[float]]:
    """Start runs one after the other; gives the milliseconds until each was accepted, and until it had ended."""
    accepted, ended = [], []
    for _ in range(starts):
        began = time.perf_counter()
        answer = client.post(f"/v1/tenants/{tenant}/workflows/orders/execute", json={})
        accepted.append((time.perf_counter() - began) * 1000)
        path = f"/v1/tenants/{tenant}/executions/{answer.json()['execution_id']}"
        while client.get(path).json()["status"] != "completed":
            time.sleep(0.005)
        ended.append((time.perf_counter() - began) * 1000)
    return accepted, ended


def measure_neighbour(bench: Bench, backlog: int, starts: int) -> None:
    set_schedules(bench, int(time.time() + 3000) * 1_000_000, 0.0)
    with bench.serve() as client:
        time_starts(client, "t1", 5)  # it is awake, and has a host
        alone = time_starts(client, "t1", starts)
        limit = f"/v1/tenants/{MODEL}/limits/workflow:orders"
        client.put(limit, json={"max": 0}).raise_for_status()  # the backlog waits until it is complete
        path = f"/v1/tenants/{MODEL}/workflows/orders/execute"
        with ThreadPoolExecutor(MAKERS) as pool:
            for answer in pool.map(lambda _: client.post(path, json={}), range(backlog)):
                answer.raise_for_status()

        def open_runs() -> int:
            ((count,),) = bench.query(f"SELECT count(*) FROM {MODEL}.runs WHERE status = 'running'")
            return int(count)

        before = open_runs()
        client.delete(limit).raise_for_status()
        beside = time_starts(client, "t1", starts)
        after = open_runs()
    for what, one, other in zip(("accepted", "ended"), alone, beside, strict=True):
        quiet, noisy_ms = percentile(one, 0.95), percentile(other, 0.95)
        print(
            f"a run is {what}: p95 {quiet:.0f} ms alone, {noisy_ms:.0f} ms beside a tenant with {before:,} to "
            f"{after:,} open runs: {noisy_ms / quiet:.1f} x ({load()})"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tenants", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--spread", type=float, default=120.0)
    parser.add_argument("--at-once", action="store_true")
    parser.add_argument("--backlog", type=int, default=3000, help="runs of the busy tenant")
    parser.add_argument("--starts", type=int, default=200)
    options = parser.parse_args()
    with Cluster() as cluster, tempfile.TemporaryDirectory() as home:
        bench = Bench(new_database(cluster, "tenants_bench"), Path(home), options.tenants)
        with bench.serve() as client:
            empty_mb = resident_mb(client)
        make_tenants(bench)
        measure_sleeping(bench, options.seconds, empty_mb)
        measure_lateness(bench, options.spread)
        if options.at_once:
            measure_lateness(bench, 0.0)
        measure_neighbour(bench, options.backlog, options.starts)


if __name__ == "__main__":
    main()
