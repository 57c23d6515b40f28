"""Daemons on homes of their own that share a database, and homes that cannot be used."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.daemon.daemon_process import DaemonProcess
from tests.daemon.packages import archive, one_task_package, schedule

OFTEN = "* * * * * *"
IN_AN_ENVIRONMENT = """
import os
from holdwater import WorkflowBuilder, task

assert os.environ["SHOP"] == "open"

with WorkflowBuilder("orders"):

    @task()
    def first(context):
        context["shop"] = os.environ["SHOP"]
"""


def unpacked(daemon: DaemonProcess) -> list[str]:
    return [path.name for path in (daemon.home / "releases").glob("[0-9a-f]*")]


def wait_for_all(daemon: DaemonProcess, states: dict[str, str]) -> None:
    daemon.wait_until(lambda: daemon.states() == states)


def wait_for_runs(daemon: DaemonProcess) -> None:
    """Wait until the package of this daemon alone, which is named as its home, and that of both work there."""
    name = daemon.home.name
    daemon.wait_until(lambda: len(unpacked(daemon)) == 2 and daemon.runs(workflow=name, status="completed"))


def test_daemons_leave_each_others_packages_alone(make_daemon: Callable[[str], DaemonProcess], tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/shared.db"
    shared = tmp_path / "shared"
    shared.mkdir()
    one, two = daemons = [make_daemon(name) for name in ("one", "two")]
    for daemon in daemons:
        daemon.url = url
        daemon.put("own.cloacina", one_task_package(daemon.home.name, "1.0", more=schedule(daemon.home.name, OFTEN)))
        daemon.start("--database", url, "--watch-dir", str(shared))
    one.put("shared.cloacina", one_task_package("shared", "1.0"), shared)
    all_there = {"one 1.0": "active", "two 1.0": "active", "shared 1.0": "active"}
    for daemon in daemons:
        wait_for_all(daemon, all_there)
        wait_for_runs(daemon)

    one.kill()  # while it is away its packages stay, and with them their schedules
    (two.packages / "own.cloacina").unlink()  # what is its own is removed
    wait_for_all(two, {"one 1.0": "active", "shared 1.0": "active"})
    one.start("--database", url, "--watch-dir", str(shared))

    (shared / "shared.cloacina").unlink()  # whichever sees that first
    for daemon in daemons:
        wait_for_all(daemon, {"one 1.0": "active"})
    one.wait_until(lambda: len(unpacked(one)) == 1)
    two.wait_until(lambda: unpacked(two) == [])
    assert [daemon.stop() for daemon in daemons] == [0, 0]
    assert "one 1.0 is removed" not in one.log() + two.log()


def test_a_workflow_moves_to_another_package(daemon: DaemonProcess) -> None:
    first = daemon.put("first.cloacina", one_task_package("first", "1.0", workflow="orders"))
    daemon.start()
    daemon.wait_for(first="1.0 active")
    daemon.put("second.cloacina", one_task_package("second", "1.0", workflow="orders"))
    daemon.wait_for(second="1.0 broken")
    daemon.put("first2.cloacina", one_task_package("first", "2.0", workflow="parcels"))
    daemon.wait_for(first="2.0 active")
    assert daemon.states()["second 1.0"] == "broken"  # open runs of version 1.0 go on under that name
    first.unlink()
    daemon.wait_for(second="1.0 active")
    assert daemon.stop() == 0


def test_what_was_broken_is_tried_again_after_a_restart(daemon: DaemonProcess) -> None:
    daemon.put("orders.cloacina", archive("orders", "1.0", IN_AN_ENVIRONMENT, more='[execution]\nenv = ["SHOP"]\n'))
    daemon.start()
    daemon.wait_for(orders="1.0 broken")
    assert daemon.stop() == 0
    daemon.environment["SHOP"] = "open"
    daemon.start()
    daemon.wait_for(orders="1.0 active")
    assert daemon.stop() == 0


@pytest.mark.parametrize("name", ["hosts", "logs/holdwater.log", "daemon.lock", "home.id"])
def test_a_home_that_cannot_be_written_is_named(daemon: DaemonProcess, name: str) -> None:
    place = daemon.home / name  # root may write what it may not: a link to nowhere stops everyone
    place.parent.mkdir(exist_ok=True)
    place.symlink_to("/proc/nothing/here")
    said = subprocess.run(
        [sys.executable, "-m", "holdwater", "daemon", "--home", str(daemon.home)],
        capture_output=True, text=True, timeout=120, env={**os.environ, **daemon.environment},
    )  # fmt: skip
    assert said.returncode == 1
    assert "error: the home of the daemon cannot be used: " in said.stderr
    assert "hint: free some space, or name another one" in said.stderr
