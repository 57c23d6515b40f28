"""`holdwater serve` beside Prefect's server on one PostgreSQL server, alternating: runs created and listed over HTTP.

usage: server.py [--prefect PREFECT] [--clients 8] [--seconds 10] [--rounds 3]

PREFECT: the program `prefect` of an environment of its own, with asyncpg.  In both no worker executes what is created,
so that the servers alone are compared.  Prints the requests per second and the 95th percentile of their times, medians
of the rounds, and the ratios.
"""

from __future__ import annotations

import argparse
import http.client
import json
import multiprocessing
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from holdwater import DefaultRunner, WorkflowBuilder, task

sys.path.insert(0, str(Path(__file__).parent.parent))
from tests.postgres.cluster import Cluster

KEY = "bench-" + "k" * 40
START_SECONDS = 120.0
PAGE_ITEMS = 100


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    body: Any = None


@dataclass(frozen=True)
class Peer:
    """A server that answers.  `requests`: case -> what each client sends again and again."""

    name: str
    port: int
    headers: dict[str, str]
    requests: dict[str, Request]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def ask(port: int, headers: dict[str, str], request: Request) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    send(connection, headers, request)
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    if answer.status >= 300:
        raise RuntimeError(f"{request.method} {request.path}: {answer.status} {data[:500]!r}")
    return json.loads(data or b"null")


def send(connection: http.client.HTTPConnection, headers: dict[str, str], request: Request) -> None:
    body = None if request.body is None else json.dumps(request.body)
    connection.request(request.method, request.path, body, {"content-type": "application/json", **headers})


@contextmanager
def server_process(command: list[str], port: int, environment: dict[str, str], ready: str) -> Iterator[None]:
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=log, stderr=log)
        try:
            end = time.monotonic() + START_SECONDS
            while True:
                try:
                    ask(port, {}, Request("GET", ready))
                    break
                except (OSError, RuntimeError, http.client.HTTPException):
                    if process.poll() is not None or time.monotonic() > end:
                        log.seek(0)
                        raise RuntimeError(f"{command[0]} did not start:\n{log.read().decode()[-3000:]}") from None
                    time.sleep(0.1)
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def start_holdwater(cluster: Cluster) -> Iterator[Peer]:
    url, port = new_database(cluster, "holdwater_bench"), free_port()
    with WorkflowBuilder("bench"):
        task(id="one")(lambda context: None)
    with DefaultRunner(url) as runner:  # announces the workflow, and is gone
        runner.execute("bench")
    headers = {"authorization": f"Bearer {KEY}"}
    with tempfile.TemporaryDirectory() as home:
        command = [sys.executable, "-m", "holdwater", "serve", "--bind", f"127.0.0.1:{port}", "--home", home]
        environment = {
            "DATABASE_URL": url,
            "HOLDWATER_BOOTSTRAP_KEY": KEY,
            "HOLDWATER_SERVER_REQUESTS_PER_SECOND": "100000",
            "HOLDWATER_SERVER_REQUEST_BURST": "100000",
        }
        with server_process(command, port, environment, "/ready"):
            base = "/v1/tenants/public"
            yield Peer(
                "holdwater", port, headers,
                {
                    "execute": Request("POST", f"{base}/workflows/bench/execute", {"context": {"x": 1}}),
                    "list": Request("GET", f"{base}/executions?limit={PAGE_ITEMS}"),
                },
            )  # fmt: skip


@contextmanager
def start_prefect(program: str, cluster: Cluster) -> Iterator[Peer]:
    url, port = new_database(cluster, "prefect_bench"), free_port()
    environment = {
        "PREFECT_API_DATABASE_CONNECTION_URL": url.replace("postgresql://", "postgresql+asyncpg://"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }
    with tempfile.TemporaryDirectory() as home:
        environment["PREFECT_HOME"] = home
        command = [program, "server", "start", "--host", "127.0.0.1", "--port", str(port)]
        with server_process(command, port, environment, "/api/health"):
            flow = ask(port, {}, Request("POST", "/api/flows/", {"name": "bench"}))["id"]
            deployed = ask(port, {}, Request("POST", "/api/deployments/", {"name": "bench", "flow_id": flow}))["id"]
            yield Peer(
                "prefect", port, {},
                {
                    "execute": Request(
                        "POST", f"/api/deployments/{deployed}/create_flow_run", {"parameters": {"x": 1}}
                    ),
                    "list": Request("POST", "/api/flow_runs/filter", {"limit": PAGE_ITEMS, "sort": "START_TIME_DESC"}),
                },
            )  # fmt: skip


def new_database(cluster: Cluster, name: str) -> str:
    with psycopg.connect(cluster.url(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return cluster.url(name)


def measure(peer: Peer, case: str, clients: int, seconds: float) -> tuple[float, float]:
    """Requests per second of all clients, and the 95th percentile of their times in milliseconds."""
    context = multiprocessing.get_context("fork")
    with context.Pool(clients) as pool:
        parts = pool.starmap(run_client, [(peer, case, seconds)] * clients)
    times = sorted(one for part in parts for one in part)
    return len(times) / seconds, times[int(len(times) * 0.95)] * 1000


def run_client(peer: Peer, case: str, seconds: float) -> list[float]:
    connection = http.client.HTTPConnection("127.0.0.1", peer.port, timeout=60)
    connection.connect()
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    request, times, end = peer.requests[case], [], time.perf_counter() + seconds
    while (began := time.perf_counter()) < end:
        send(connection, peer.headers, request)
        answer = connection.getresponse()
        data = answer.read()
        if answer.status >= 300:
            raise RuntimeError(f"{peer.name} {case}: {answer.status} {data[:300]!r}")
        times.append(time.perf_counter() - began)
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prefect", help="the program of Prefect 3")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    found: dict[tuple[str, str], list[tuple[float, float]]] = {}
    with Cluster(durable=True) as cluster, ExitStack() as stack:
        peers = [stack.enter_context(start_holdwater(cluster))]
        if options.prefect:
            peers.append(stack.enter_context(start_prefect(options.prefect, cluster)))
        for _ in range(options.rounds):
            for case in ("execute", "list"):
                for peer in peers:
                    one = measure(peer, case, options.clients, options.seconds)
                    found.setdefault((peer.name, case), []).append(one)
    for case in ("execute", "list"):
        rows = {}
        for peer in peers:
            rates, times = zip(*found[peer.name, case], strict=True)
            rows[peer.name] = (statistics.median(rates), statistics.median(times))
            print(f"{case:8} {peer.name:10} {rows[peer.name][0]:9.1f} /s   p95 {rows[peer.name][1]:8.1f} ms")
        if len(rows) == 2:
            (rate, p95), (peer_rate, peer_p95) = rows["holdwater"], rows["prefect"]
            print(f"{case:8} {'ratio':10} {rate / peer_rate:9.1f} x    p95 {p95 / peer_p95:8.2f} x")


if __name__ == "__main__":
    main()
