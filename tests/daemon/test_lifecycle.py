"""A daemon that is a real process: its start, its configuration, its end, and what it leaves behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from holdwater.operations.databases import open_for_reading
from tests.daemon.daemon_process import FAST_CONFIG, DaemonProcess, processes_with
from tests.daemon.packages import archive, one_task_package, schedule
from tests.suite.effort import LONG

BODIES = """
from pathlib import Path
import time
from holdwater import WorkflowBuilder, task

with WorkflowBuilder("bodies"):

    @task()
    def heeds(context, task_handle):
        Path(context["folder"], "heeds").touch()
        while True:
            task_handle.raise_if_cancelled()
            time.sleep(0.005)

    @task()
    def ignores(context):
        Path(context["folder"], "ignores").touch()
        while not Path(context["folder"], "go").exists():
            time.sleep(0.005)
        Path(context["folder"], "ignores-ended").touch()
"""


def holdwater(*arguments: str, home: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "holdwater", *arguments, *(() if home is None else ("--home", str(home)))],
        capture_output=True, text=True, timeout=120, env={**os.environ, **environment},
    )  # fmt: skip


def start_bodies(daemon: DaemonProcess) -> None:
    context = f'\n[schedules.context]\nfolder = "{daemon.home}"\n'
    # once, and not again while that is not over
    once = schedule("bodies", "* * * * * *", "once") + 'overlap = "skip"\n' + context
    daemon.start()
    daemon.put("bodies.cloacina", archive("bodies", "1.0", BODIES, more=once))
    daemon.wait_until(lambda: (daemon.home / "heeds").exists() and (daemon.home / "ignores").exists())


def nothing_is_left(daemon: DaemonProcess) -> bool:
    return (
        not processes_with(str(daemon.home))
        and not (daemon.home / "daemon.sock").exists()
        and not (daemon.home / "daemon.lock").exists()
    )


def test_status_lock_and_signals(daemon: DaemonProcess) -> None:
    assert holdwater("daemon", "status", home=daemon.home).returncode == 1
    daemon.start("-v")
    assert daemon.process is not None
    found = daemon.health()
    assert found is not None
    assert (found["status"], found["pid"]) == ("healthy", daemon.process.pid)
    assert found["database"] == {"connected": True, "backend": "sqlite"}
    assert found["reconciler"]["packages_loaded"] == found["active_workflows"] == found["runs_open"] == 0
    assert {"version", "uptime_seconds", "releases", "hosts", "oldest_ready_seconds"} <= set(found)
    assert stat.S_IMODE((daemon.home / "daemon.sock").stat().st_mode) == 0o600
    assert stat.S_IMODE((daemon.home / "holdwater.db").stat().st_mode) == 0o600

    second = holdwater("daemon", home=daemon.home)
    assert second.returncode == 1
    assert str(daemon.process.pid) in second.stderr

    said = holdwater("daemon", "status", home=daemon.home)
    assert said.returncode == 0
    assert said.stdout.startswith(f"healthy: process {daemon.process.pid}")
    daemon.kill()  # lock and socket stay, and are no obstacle
    assert (daemon.home / "daemon.sock").exists()
    assert "no daemon works on" in holdwater("daemon", "status", home=daemon.home).stderr
    daemon.start()
    stopped = holdwater("daemon", "stop", home=daemon.home)
    assert stopped.returncode == 0, stopped.stderr
    assert daemon.wait() == 0
    assert nothing_is_left(daemon)
    assert {line["level"] for line in daemon.log_lines()} <= {"debug", "info"}


def test_reload(daemon: DaemonProcess, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        folder.mkdir()
        daemon.put("p.cloacina", one_task_package(folder.name, "1.0"), folder)
    watch = '\n[watch]\ndirectories = ["{}"]\n'
    daemon.config.write_text(FAST_CONFIG + watch.format(one))
    daemon.start()
    daemon.wait_for(one="1.0 active")

    daemon.config.write_text(FAST_CONFIG.replace("poll_interval_ms = 50", "poll_intervall_ms = 50") + watch.format(two))
    said = holdwater("daemon", "reload", home=daemon.home)
    assert said.returncode == 1
    assert "line 2: daemon.poll_intervall_ms" in said.stderr
    assert daemon.states() == {"one 1.0": "active"}

    more = 'log_level = "debug"\n' + watch.format(two) + "\n[packages]\nmax_hosts = 1\n"
    daemon.config.write_text(FAST_CONFIG + more)
    said = holdwater("daemon", "reload", home=daemon.home)
    assert (said.returncode, said.stderr) == (0, "")
    assert said.stdout == "reloaded\nneeds a restart: packages.max_hosts\n"
    daemon.wait_until(lambda: daemon.states() == {"two 1.0": "active"})
    assert daemon.stop() == 0
    assert nothing_is_left(daemon)


def test_a_wrong_configuration_ends_the_start(daemon: DaemonProcess) -> None:
    daemon.config.write_text("[daemon]\nlog_level = 'loud'\n")
    said = holdwater("daemon", home=daemon.home)
    assert said.returncode == 1
    assert "config.toml, line" in said.stderr


def test_draining(daemon: DaemonProcess) -> None:
    start_bodies(daemon)
    daemon.signal(signal.SIGTERM)
    daemon.wait_until(lambda: (daemon.health() or {}).get("draining"))
    (daemon.home / "go").touch()
    assert daemon.wait() == 0
    assert (daemon.home / "ignores-ended").exists()  # it had the time to end
    assert nothing_is_left(daemon)
    before = {run.id for run in daemon.runs()}
    assert before

    (daemon.home / "heeds").unlink()
    daemon.start()  # its run goes on: the one that heeded begins anew, the one that ended does not
    daemon.wait_until((daemon.home / "heeds").exists)
    assert before <= {run.id for run in daemon.runs()}


def test_a_body_that_does_not_heed_is_killed(daemon: DaemonProcess) -> None:
    daemon.config.write_text(FAST_CONFIG + "shutdown_timeout_s = 0.2\n")
    start_bodies(daemon)
    assert processes_with(str(daemon.home))
    assert daemon.stop() == 0
    assert nothing_is_left(daemon)
    assert not (daemon.home / "ignores-ended").exists()
    with open_for_reading(daemon.url) as database:
        (run,) = [run for run in daemon.runs() if run.finished_at is None]
        assert [work.owner for work in database.store.work_of_run(run.id)] == [None, None]


def test_a_second_signal_ends_it_at_once(daemon: DaemonProcess) -> None:
    start_bodies(daemon)
    daemon.signal(signal.SIGINT)
    daemon.wait_until(lambda: (daemon.health() or {}).get("draining"))
    daemon.signal(signal.SIGINT)
    assert daemon.wait() == 1
    while processes_with(str(daemon.home)):
        pass
    assert nothing_is_left(daemon)


def test_the_web_ui(daemon: DaemonProcess) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    daemon.start("--ui", f"127.0.0.1:{port}")
    daemon.put("orders.cloacina", one_task_package("orders", "1.0"))
    daemon.wait_for(orders="1.0 active")
    link = next(word for word in daemon.log().split() if word.startswith("http://") and "token=" in word)
    assert "token=" not in (daemon.home / "logs" / "holdwater.log").read_text()
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    page = opener.open(link, timeout=60)
    assert page.status == 200
    assert b"Holdwater" in page.read()
    assert daemon.stop() == 0
    assert nothing_is_left(daemon)
    refused = holdwater("daemon", "--ui", "0.0.0.0:80", home=daemon.home)
    assert refused.returncode != 0
    assert "this machine" in refused.stderr


def test_the_command_of_the_original(daemon: DaemonProcess, tmp_path: Path) -> None:
    folder = tmp_path / "workflows"
    folder.mkdir()
    daemon.put("orders.cloacina", one_task_package("orders", "1.0"), folder)
    command = ("-m", "holdwater.compat.cloacinactl")
    daemon.start("daemon", "--watch-dir", str(folder), "--poll-interval", "500", prefix=command)
    daemon.wait_for(orders="1.0 active")
    said = subprocess.run(
        [sys.executable, *command, "--home", str(daemon.home), "status"], capture_output=True, text=True, timeout=60
    )
    assert "orders 1.0  active" in said.stdout
    assert daemon.stop() == 0


@pytest.mark.parametrize("restarts", [2, pytest.param(50, marks=LONG)])
def test_restarts_leave_one_schedule(daemon: DaemonProcess, restarts: int) -> None:
    daemon.put("orders.cloacina", one_task_package("orders", "1.0", more=schedule("orders", "0 0 1 1 *", "yearly")))
    ids = set()
    for restart in range(restarts):
        daemon.start()
        daemon.wait_for(orders="1.0 active")
        daemon.wait_until(lambda: _schedules(daemon))
        ids |= {tuple(_schedules(daemon))}
        if restart % 2:
            daemon.kill()
        else:
            assert daemon.stop() == 0
    assert len(ids) == 1


def _schedules(daemon: DaemonProcess) -> list[str]:
    with open_for_reading(daemon.url) as database:
        return [row.id for row in database.store.list_schedules()]


def test_list_activate_and_remove(daemon: DaemonProcess) -> None:
    def package(*words: str) -> subprocess.CompletedProcess[str]:
        return holdwater("package", *words, home=daemon.home)

    for version in ("1.0", "2.0"):
        daemon.put(f"{version}.cloacina", one_task_package("orders", version))
    daemon.start()
    daemon.wait_for(orders="2.0 active")
    daemon.wait_for(orders="1.0 inactive")
    assert package("activate", "orders", "1.0").returncode == 0
    daemon.wait_for(orders="1.0 active")
    daemon.put("3.0.cloacina", one_task_package("orders", "3.0"))
    daemon.wait_for(orders="3.0 inactive")
    listed = {one["version"]: one for one in json.loads(package("list", "--json").stdout)}
    assert {version: (one["state"], one["is_pinned"]) for version, one in listed.items()} == {
        "1.0": ("active", True), "2.0": ("inactive", False), "3.0": ("inactive", False),
    }  # fmt: skip
    assert package("activate", "orders", "1.0", "--unpin").returncode == 0
    daemon.wait_for(orders="3.0 active")
    assert package("remove", "orders", "3.0").returncode == 0
    daemon.wait_until(lambda: daemon.states() == {"orders 1.0": "inactive", "orders 2.0": "active"})
    assert not (daemon.packages / "3.0.cloacina").exists()
    assert package("remove", "nothing").returncode == 3
    daemon.put("3.0.cloacina", one_task_package("orders", "3.0"))  # it comes back
    daemon.wait_for(orders="3.0 active")
    assert daemon.stop() == 0


def test_removal_by_force_pauses_open_runs(daemon: DaemonProcess) -> None:
    start_bodies(daemon)
    said = holdwater("package", "remove", "bodies", "--force", home=daemon.home)
    assert said.stdout == "bodies 1.0 starts nothing more; what is open is paused: 1 open run\n"
    daemon.wait_for(bodies="1.0 draining")
    assert "removed by force" in daemon.error_of("bodies 1.0")
    (run,) = [run for run in daemon.runs() if run.finished_at is None]
    assert holdwater("runs", "cancel", run.id[:8], "--database", daemon.url).returncode == 0
    (daemon.home / "go").touch()
    daemon.wait_until(lambda: daemon.states() == {})
    assert daemon.stop() == 0
