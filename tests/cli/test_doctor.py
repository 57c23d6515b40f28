"""`holdwater doctor`: the findings as lines, with commands that can be copied, and as JSON."""

from __future__ import annotations

import json

from tests.cli.conftest import Shell


def test_a_run_that_failed(shell: Shell) -> None:
    assert shell("run", "flows:fails").returncode == 1
    said = shell("doctor", "@last")
    assert said.returncode == 1
    heading, finding, *_ = said.stdout.splitlines()
    assert heading.startswith("run ")
    assert heading.endswith(" of fails: Failed")
    assert finding.startswith("✗ The run failed at ")
    assert "\x1b" not in said.stdout
    assert "    holdwater runs retry " in said.stdout
    (found,) = json.loads(shell("doctor", "@last", "--json").stdout)
    assert (found["code"], found["severity"], found["facts"]["task"]) == ("failed", "problem", "broken")
    assert found["command"] == ["runs", "retry", found["run_id"]]


def test_a_run_that_completed_and_the_database(shell: Shell) -> None:
    assert shell("run", "flows:sums").returncode == 0
    said = shell("doctor", "@last")
    assert said.returncode == 0
    assert said.stdout.splitlines()[1].startswith("✓ The run completed at ")
    whole = shell("doctor")
    assert whole.returncode == 0, whole.stdout
    assert whole.stdout.splitlines()[0] == "! No runner is up: nothing is executed, and no schedule fires."
    assert "; the schema is up to date." in whole.stdout
    codes = {one["code"] for one in json.loads(shell("doctor", "--json").stdout)}
    assert {"schema", "writable", "clock", "size", "queue", "versions", "no_runners"} <= codes


def test_a_killed_run_is_continued_by_its_own_command(shell: Shell) -> None:
    process = shell.start("run", "flows.py:waits")
    shell.wait_until((shell.home / "blocked").exists, process)
    process.kill()
    process.communicate()
    findings = {one["code"]: one for one in json.loads(shell("doctor", "@last", "--json").stdout)}
    lost = findings["orphaned"]
    assert lost["command"] == ["run", str(shell.home / "flows.py"), "--resume", lost["run_id"]]
    shell.release_tasks()
    assert shell(*lost["command"]).returncode == 0


def test_what_there_is_not(shell: Shell) -> None:
    assert shell("doctor").returncode == 3, "no database"
    assert shell("run", "flows:sums").returncode == 0
    assert shell("doctor", "nothing").returncode == 3
