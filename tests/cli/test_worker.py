"""`holdwater worker`: ready, signals, drain, health; `holdwater runners`."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from holdwater import Client
from tests.cli.conftest import Shell
from tests.suite.waiting import poll_pause
from tests.suite.workers import StartWorker, start_worker

__all__ = ["start_worker"]


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/runs.db"


@pytest.fixture
def client(database_url: str, start_worker: StartWorker) -> Iterator[Client]:
    """On a database that a worker has used."""
    start_worker().stop()
    with Client(database_url) as client:
        yield client


def wait_for_lines(path: Path, count: int) -> None:
    while not path.exists() or len(path.read_text().splitlines()) < count:
        poll_pause()


def get(port: int, path: str) -> tuple[int, dict[str, str]]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_it_says_what_it_serves_and_ends_with_0(start_worker: StartWorker) -> None:
    worker = start_worker("--name", "blue", "--max-concurrent-tasks", "3")
    assert worker.ready_line.startswith(
        "ready: 6 workflows (blocks, fails, graph, loop, steps, tasks), 3 tasks at once"
    )
    code, err = worker.stop()
    assert code == 0
    assert "draining" in err
    assert "runner 'blue'" in err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_running_function_is_told_and_its_run_goes_on_elsewhere(
    client: Client, start_worker: StartWorker, tmp_path: Path, number: signal.Signals
) -> None:
    handle = client.submit("blocks", {"heeds": True})
    worker = start_worker()
    wait_for_lines(tmp_path / "blocked", 1)
    assert worker.stop(number)[0] == 0
    assert handle.status == "Running"
    assert client.list_runners() == []
    (tmp_path / "go").touch()
    start_worker()
    assert handle.result(60).status == "Completed"


def test_a_drain_waits_for_a_function_that_does_not_stop(
    client: Client, start_worker: StartWorker, tmp_path: Path
) -> None:
    handle = client.submit("blocks")
    worker = start_worker("--drain-seconds", "600")
    wait_for_lines(tmp_path / "blocked", 1)
    worker.process.send_signal(signal.SIGTERM)
    while [one.status for one in client.list_runners()] != ["draining"]:
        poll_pause()
    assert client.get_workflow("blocks").runners == ()
    waits = client.submit("tasks", {"n": 1})
    (tmp_path / "go").touch()
    _, err = worker.process.communicate(timeout=60)
    assert worker.process.returncode == 0, err
    assert handle.result(0).status == "Completed"
    assert waits.status == "Running", "a worker that drains takes nothing more"


def test_a_second_signal_ends_it_at_once(client: Client, start_worker: StartWorker, tmp_path: Path) -> None:
    handle = client.submit("blocks")
    worker = start_worker("--drain-seconds", "600")
    wait_for_lines(tmp_path / "blocked", 1)
    worker.process.send_signal(signal.SIGTERM)
    assert worker.process.stderr is not None
    while not worker.process.stderr.readline().startswith("draining"):
        pass
    assert worker.stop()[0] == 1
    assert handle.status == "Running"
    (tmp_path / "go").touch()
    start_worker()
    assert handle.result(60).status == "Completed"


def test_health(start_worker: StartWorker, client: Client, tmp_path: Path) -> None:
    port = free_port()
    worker = start_worker("--health", str(port), "--drain-seconds", "600")
    assert get(port, "/health") == (200, {"status": "ok"})
    assert get(port, "/ready") == (200, {"status": "ok"})
    assert get(port, "/")[0] == 404
    client.submit("blocks")
    wait_for_lines(tmp_path / "blocked", 1)
    worker.process.send_signal(signal.SIGTERM)
    while get(port, "/ready")[0] == 200:
        poll_pause()
    assert get(port, "/ready")[1]["status"] == "not ready"
    assert get(port, "/health")[0] == 200, "a worker that drains is not to be restarted"
    (tmp_path / "go").touch()
    assert worker.process.wait(60) == 0


def test_a_worker_whose_runner_has_failed_ends(shell: Shell) -> None:
    """A supervisor starts another process in its place."""
    (shell.home / "breaks.py").write_text(
        "import sys\n"
        "from pathlib import Path\n"
        "from flows import *\n"
        "import holdwater.cli.worker\n"
        "from holdwater.runtime.loop import Loop\n"
        "sys.modules['holdwater.cli.worker'].CHECK_SECONDS = 0.05\n"
        "turn = Loop._run_once\n"
        "def run_once(self):\n"
        "    if Path('break').exists(): raise SystemExit\n"
        "    return turn(self)\n"
        "Loop._run_once = run_once\n"
    )
    worker = shell.start("worker", "breaks")
    assert worker.stdout is not None
    assert worker.stderr is not None
    assert worker.stdout.readline().startswith("ready: ")
    (shell.home / "break").touch()
    assert worker.wait(60) == 70
    assert "this runner stopped after an internal error; its runs are recorded" in worker.stderr.read()


def test_a_port_that_is_taken(shell: Shell) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = shell("worker", "flows", "--health", f"127.0.0.1:{port}")
    assert result.returncode == 5
    assert f"127.0.0.1:{port} cannot be listened at" in result.stderr
    assert shell("worker", "flows", "--health", "80a").returncode == 2


def test_systemd_is_notified(client: Client, tmp_path: Path, database_url: str) -> None:
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as service_manager:
        service_manager.bind(address)
        service_manager.settimeout(60)
        process = subprocess.Popen(
            [sys.executable, "-m", "holdwater", "worker", "client_flows", "--database", database_url],
            cwd=tmp_path,
            env={"NOTIFY_SOCKET": address, "PATH": ""},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            assert service_manager.recv(100) == b"READY=1"
            process.terminate()
            assert service_manager.recv(100) == b"STOPPING=1"
            assert process.wait(60) == 0
        finally:
            process.kill()
            process.wait()


def test_modules_that_cannot_be_served(shell: Shell) -> None:
    (shell.home / "empty.py").write_text("x = 1\n")
    (shell.home / "twins.py").write_text(
        "from holdwater import Graph, node\n"
        "@node(output_name='a')\ndef f(x): return x\n"
        "@node(output_name='b')\ndef g(x): return x\n"
        "one, two = Graph([f], name='twin'), Graph([g], name='twin')\n"
    )
    for arguments, code, text in (
        (["nowhere"], 3, "there is no module 'nowhere'"),
        (["empty"], 3, "'empty': no workflow is defined there"),
        (["twins"], 2, "twins: two is another workflow of the name 'twin'"),
        (["flows", "--config", "flows:nothing"], 3, "has no 'nothing'"),
        (["flows", "--config", "flows:effect"], 2, "it is function, not a DefaultRunnerConfig"),
        (["flows", "--config", "flows"], 2, "names no variable"),
    ):
        result = shell("worker", *arguments)
        assert (result.returncode, text in result.stderr) == (code, True), result.stderr


def test_runners_are_listed(shell: Shell, database_url: str, start_worker: StartWorker) -> None:
    worker = start_worker("--name", "blue")
    result = shell("runners", "--database", database_url)
    header, row = result.stdout.splitlines()
    assert header.split() == ["NAME", "STATUS", "HOST:PID", "VERSION", "SLOTS", "SEEN", "WORKFLOWS"]
    assert row.split()[:2] == ["blue", "running"]
    worker.kill()
    (found,) = json.loads(shell("runners", "--database", database_url, "--json").stdout)
    assert (found["status"], found["pid"]) == ("gone", worker.process.pid)
    assert time.strptime(found["seen_at"][:19], "%Y-%m-%dT%H:%M:%S")
    worker = start_worker()
    worker.stop()
    assert [one["name"] for one in json.loads(shell("runners", "--database", database_url, "--json").stdout)] == [
        "blue"
    ]
