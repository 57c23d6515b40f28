"""Several processes of a server on one database, some of them killed; the database started anew under load."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.daemon.daemon_process import processes_with
from tests.postgres.cluster import Cluster
from tests.server.serving.flows import (
    PUBLIC,
    execute,
    files,
    iter_events,
    put_package,
    start,
    status_of,
    wait_for_workflows,
)
from tests.server.serving.server_process import ServerProcess
from tests.suite.effort import LONG
from tests.suite.waiting import poll_pause, wait_until

SHORT_LEASES = "[server]\nlease_s = 1.5\n"
NO_RATES = "requests_per_second = 1e6\nrequest_burst = 1_000_000\n"


@pytest.fixture
def make_server(tmp_path: Path) -> Iterator[Callable[..., ServerProcess]]:
    """Makes servers, each on a home of its own."""
    made: list[ServerProcess] = []

    def make(database_url: str, name: str = "home", config: str = SHORT_LEASES) -> ServerProcess:
        made.append(ServerProcess(tmp_path / name, database_url))
        (tmp_path / name / "config.toml").write_text(config)
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_replicas_that_start_together_make_one_key(
    make_server: Callable[..., ServerProcess], new_database: Callable[[], str]
) -> None:
    database = new_database()
    servers = [make_server(database, name) for name in ("one", "two")]
    for server in servers:
        del server.environment["HOLDWATER_BOOTSTRAP_KEY"]
        server.launch()
    for server in servers:
        server.wait_until_serving()
    (place,) = [server.home / "bootstrap-key" for server in servers if (server.home / "bootstrap-key").exists()]
    assert place.stat().st_mode & 0o777 == 0o600
    key = place.read_text().strip()
    for server in servers:
        with server.client(key) as client:
            assert client.get(f"{PUBLIC}/executions").status_code == 200
        assert key not in server.log() + (server.home / "logs" / "holdwater-server.log").read_text()


def test_a_run_and_its_stream_survive_the_process_they_began_in(
    make_server: Callable[..., ServerProcess], new_database: Callable[[], str], tmp_path: Path
) -> None:
    database = new_database()
    first, second = make_server(database, "first"), make_server(database, "second")
    first.start()
    put_package(database)
    with first.client() as client:
        wait_for_workflows(client)
        run_id = start(client, "gated", folder=str(tmp_path))
        wait_until(lambda: files(tmp_path, "began"))
        path = f"{PUBLIC}/executions/{run_id}/stream"
        seen: list[tuple[str, str, Any]] = []
        with client.stream("GET", path) as stream:
            events = iter_events(stream.iter_lines())
            while not seen or seen[-1][2].get("task_name") != "before" or seen[-1][1] != "task_completed":
                seen.append(next(events))
            second.start()
            first.kill()
            with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError, StopIteration)):
                while True:
                    seen.append(next(events))
    with second.client() as client:
        client.get(f"{PUBLIC}/executions").raise_for_status()
        last_id = next(id_ for id_, _, _ in reversed(seen) if id_)
        (tmp_path / "go").touch()
        with client.stream("GET", path, headers={"last-event-id": last_id}) as stream:
            for event in iter_events(stream.iter_lines()):
                seen.append(event)
                if event[1] == "end":
                    break
        assert status_of(client, run_id) == "completed"
        with client.stream("GET", path) as stream:
            whole = [event for event in iter_events(stream.iter_lines()) if event[0]]
    assert [event[0] for event in seen if event[0]] == [event[0] for event in whole]  # no gap, nothing twice
    assert len(files(tmp_path, "ended")) == 1
    assert second.stop() == 0


def test_running_functions_end_in_order(
    make_server: Callable[..., ServerProcess], new_database: Callable[[], str], tmp_path: Path
) -> None:
    database = new_database()
    server = make_server(database)
    server.start()
    put_package(database)
    with server.client() as client:
        wait_for_workflows(client)
        run_id = start(client, "gated", folder=str(tmp_path))
        wait_until(lambda: files(tmp_path, "began"))
        with client.stream("GET", f"{PUBLIC}/executions/{run_id}/stream") as stream:
            server.signal(signal.SIGTERM)
            assert "bye" in [name for _, name, _ in iter_events(stream.iter_lines())]
        assert client.get("/ready").json() == {"status": "not ready", "reason": "draining"}
        assert execute(client, "quick", number=1).status_code == 503
        (tmp_path / "go").touch()
    assert server.wait() == 0
    assert len(files(tmp_path, "ended")) == 1
    assert processes_with(str(server.home)) == []
    assert not (server.home / "server.lock").exists()


def test_a_second_signal_ends_it_at_once(
    make_server: Callable[..., ServerProcess], new_database: Callable[[], str], tmp_path: Path
) -> None:
    database = new_database()
    server = make_server(database)
    server.start()
    put_package(database)
    with server.client() as client:
        wait_for_workflows(client)
        start(client, "gated", folder=str(tmp_path))
        wait_until(lambda: files(tmp_path, "began"))
    server.signal(signal.SIGTERM)
    server.wait_until(lambda: "draining" in server.log())
    server.signal(signal.SIGINT)
    assert server.wait() == 1
    wait_until(lambda: processes_with(str(server.home)) == [])
    assert not (server.home / "server.lock").exists()


@pytest.mark.parametrize(
    ("keys", "restarts"), [pytest.param(12, 1, id="few"), pytest.param(400, 5, id="many", marks=LONG)]
)
def test_runs_that_are_asked_for_again_start_once(
    make_server: Callable[..., ServerProcess], keys: int, restarts: int
) -> None:
    """The database is started anew, cleanly and not, while clients ask until they are told that their run has begun."""
    with Cluster() as cluster:
        server = make_server(cluster.url(), config=SHORT_LEASES + NO_RATES)
        server.start()
        put_package(cluster.url())
        with server.client() as client:
            wait_for_workflows(client)
        todo = [f"key-{number}" for number in range(keys)]
        begun: dict[str, set[str]] = {key: set() for key in todo}
        refused: list[int] = []

        def ask() -> None:
            with server.client() as client:
                while todo:
                    try:
                        key = todo.pop()
                    except IndexError:
                        return
                    for _ in range(2):  # once more although it has begun: the answer may have been lost
                        while (answer := execute(client, "quick", key, number=int(key[4:]))).status_code != 202:
                            refused.append(answer.status_code)
                            poll_pause()
                        begun[key].add(answer.json()["execution_id"])

        clients = [threading.Thread(target=ask) for _ in range(4)]
        for one in clients:
            one.start()
        for number in range(restarts):
            before = len(refused)
            cluster.stop("immediate" if number % 2 else "fast")
            wait_until(lambda before=before: len(refused) > before or not any(map(threading.Thread.is_alive, clients)))  # type: ignore[misc]
            cluster.start()
        for one in clients:
            one.join()
        assert [key for key, ids in begun.items() if len(ids) != 1] == []
        assert set(refused) <= {503}
        with server.client() as client:
            wait_until(lambda: client.get("/ready").status_code == 200)
            everything = {next(iter(ids)) for ids in begun.values()}
            for run_id in everything:
                wait_until(lambda run_id=run_id: status_of(client, run_id) == "completed")  # type: ignore[misc]
            assert len(everything) == keys
            listed = client.get(f"{PUBLIC}/executions", params={"limit": 1000}).json()["items"]
            assert {item["id"] for item in listed} == everything
        assert server.stop() == 0
