"""The commands on a PostgreSQL database: they do there what they do on a file."""

from __future__ import annotations

import json
from collections.abc import Callable

from tests.cli.conftest import Shell


def test_run_look_steer_and_verify(shell: Shell, migrated_schema: Callable[[], str]) -> None:
    on = ("--database", migrated_schema())
    assert shell("run", "flows:sums", *on).returncode == 0
    assert shell("run", "flows:fails", *on).returncode == 1
    failed, completed = json.loads(shell("runs", "list", "--json", *on).stdout)
    assert [failed["status"], completed["status"]] == ["Failed", "Completed"]
    shown = json.loads(shell("runs", "show", completed["run_id"], "--json", *on).stdout)
    assert shown["final_context"] == {"x": 2, "y": 4}
    assert shell("runs", "cancel", completed["run_id"], *on).returncode != 0
    checked = shell("verify", *on)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert "2 runs" in checked.stdout


def test_cancel_reaches_a_runner(shell: Shell, migrated_schema: Callable[[], str]) -> None:
    on = ("--database", migrated_schema())
    running = shell.start("run", "flows:waits", *on)
    shell.wait_until((shell.home / "blocked").exists, running)
    (run,) = json.loads(shell("runs", "list", "--json", *on).stdout)
    cancelled = shell("runs", "cancel", run["run_id"], *on)
    assert cancelled.returncode == 0, cancelled.stderr
    shell.release_tasks()
    running.communicate(timeout=30)
    (run,) = json.loads(shell("runs", "list", "--json", *on).stdout)
    assert run["status"] == "Cancelled"
    assert shell.read_effects() == ["one", "two"]
    assert shell("verify", *on).returncode == 0


def test_a_run_is_followed(shell: Shell, migrated_schema: Callable[[], str]) -> None:
    on = ("--database", migrated_schema())
    running = shell.start("run", "flows:waits", *on)
    shell.wait_until((shell.home / "blocked").exists, running)
    following = shell.start("runs", "follow", "@last", *on)
    assert following.stdout is not None
    assert "workflow_started" in following.stdout.readline()
    shell.release_tasks()
    rest, errors = following.communicate(timeout=30)
    assert (following.returncode, errors) == (0, "")
    assert "workflow_completed" in rest.splitlines()[-1]
    running.communicate(timeout=30)


def test_a_server_that_is_not_there(shell: Shell) -> None:
    done = shell("runs", "list", "--database", "postgresql://me:geheim@127.0.0.1:1/db")
    assert done.returncode != 0
    assert "geheim" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
