"""Sleeping tenants of one `holdwater serve`: connections, memory and transactions of a server where nothing is due.

usage: tenants.py [--tenants 1000] [--seconds 30]

Tenants are made by the API, each with a schedule that is due in some months.  Then the server is started anew, all of
them are asleep, and PostgreSQL is asked for its connections and transactions.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg

sys.path.insert(0, str(Path(__file__).parent.parent))
sys.path.insert(0, str(Path(__file__).parent))
from server import KEY, Request, ask, free_port, new_database, server_process

from tests.postgres.cluster import Cluster

HEADERS = {"authorization": f"Bearer {KEY}"}
SCHEDULE = {
    "name": "yearly", "workflow_name": "nothing", "cron_expression": "0 3 1 6 *", "allow_unknown": True, "context": {},
}  # fmt: skip
MAKERS = 4
SETTLING_SECONDS = 60.0


def make_tenant(port: int, number: int) -> float:
    """Make a tenant with a schedule; returns the seconds it took."""
    began = time.perf_counter()
    ask(port, HEADERS, Request("POST", "/v1/tenants", {"name": f"t{number}"}))
    ask(port, HEADERS, Request("POST", f"/v1/tenants/t{number}/triggers", SCHEDULE))
    return time.perf_counter() - began


def resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def connections_and_commits(url: str) -> tuple[int, int]:
    with psycopg.connect(url, autocommit=True) as connection:
        ((count,),) = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
            " AND datname = current_database() AND pid <> pg_backend_pid()"
        ).fetchall()
        ((commits,),) = connection.execute(
            "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
        ).fetchall()
    return int(count), int(commits)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tenants", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=30.0)
    options = parser.parse_args()
    with Cluster() as cluster, tempfile.TemporaryDirectory() as home:
        url, port = new_database(cluster, "tenants_bench"), free_port()
        command = [sys.executable, "-m", "holdwater", "serve", "--bind", f"127.0.0.1:{port}", "--home", home]
        rates = ("HOLDWATER_SERVER_REQUESTS_PER_SECOND", "HOLDWATER_SERVER_REQUEST_BURST")
        environment = {"DATABASE_URL": url, "HOLDWATER_BOOTSTRAP_KEY": KEY, **dict.fromkeys(rates, "100000")}
        environment["HOLDWATER_SERVER_TENANT_IDLE_S"] = "5"
        with server_process(command, port, environment, "/ready"), ThreadPoolExecutor(MAKERS) as pool:
            took = sorted(pool.map(lambda number: make_tenant(port, number), range(options.tenants)))
            print(f"a tenant is made in {took[len(took) // 2] * 1000:.0f} ms (median, {MAKERS} at a time)")
        began = time.perf_counter()
        with server_process(command, port, environment, "/ready"):
            print(f"started in {time.perf_counter() - began:.1f} s")
            awake = 1 << 30
            while awake > 1:  # what was looked at when the server began goes to sleep again
                time.sleep(1)
                report = ask(port, HEADERS, Request("GET", "/v1/server"))
                awake = len(report["engines"])
            pid = int(report["replicas"][0]["pid"])
            time.sleep(SETTLING_SECONDS)  # the next instant of every tenant is read once when a server begins
            before = connections_and_commits(url)
            time.sleep(options.seconds)
            after = connections_and_commits(url)
            began = time.perf_counter()
            ask(port, HEADERS, Request("GET", f"/v1/tenants/t{options.tenants // 2}/executions"))
            print(
                f"{options.tenants:,} tenants, {awake} awake: {after[0]} connections, {resident_mb(pid):.0f} MB, "
                f"{(after[1] - before[1]) / options.seconds:.1f} transactions/s; a sleeping one answers in "
                f"{(time.perf_counter() - began) * 1000:.0f} ms"
            )


if __name__ == "__main__":
    main()
