"""`holdwater runs cancel|pause|resume|retry|fork`: steering what another process executes, or nobody."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.cli.conftest import Shell

STEERED_MODULE = '''
"""Workflows that wait for a sign, and note in effects.log what they did."""

import time
from pathlib import Path

from holdwater import WorkflowBuilder, task


def effect(name):
    with open("effects.log", "a") as log:
        log.write(name + "\\n")


def wait(handle):
    Path("blocked").touch()
    while not Path("go").exists() and not handle.cancelled:
        time.sleep(0.005)


with WorkflowBuilder("stops"):

    @task()
    def one(context):
        effect("one")

    @task(dependencies=[one])
    def two(context, handle):
        effect("two")
        wait(handle)
        if handle.cancelled:
            effect("told")
        handle.raise_if_cancelled()

    @task(dependencies=[two])
    def three(context):
        effect("three")


with WorkflowBuilder("mends"):

    @task()
    def load(context):
        effect("load")
        context["rows"] = [1, 2]

    @task(dependencies=[load])
    def shaky(context):
        effect("shaky")
        if not Path("mended").exists():
            raise ValueError("the disk is full")
        context["sum"] = sum(context["rows"]) * context.get("factor", 1)


with WorkflowBuilder("idle"):

    @task()
    def wait_for_the_end(context, handle):
        wait(handle)
'''

SLOW_MODULE = """
import time
from pathlib import Path
from holdwater import DefaultRunner, DefaultRunnerConfig, WorkflowBuilder, task

with WorkflowBuilder("deaf"):

    @task()
    def hears_nothing(context):
        Path("blocked").touch()
        while not Path("go").exists():
            time.sleep(0.005)

with DefaultRunner("sqlite:///holdwater.db", config=DefaultRunnerConfig(cancel_grace_seconds=600)) as runner:
    assert runner.execute("deaf").status == "Cancelled"
"""


@pytest.fixture
def steered(shell: Shell) -> Shell:
    (shell.home / "steered.py").write_text(STEERED_MODULE)
    return shell


def start_blocked_run(shell: Shell, workflow: str = "stops") -> tuple[subprocess.Popen[str], str]:
    """A process whose body runs, and the run."""
    process = shell.start("run", f"steered:{workflow}")
    shell.wait_until((shell.home / "blocked").exists, process)
    assert process.stdout is not None
    return process, process.stdout.readline().split()[1]


def show_run(shell: Shell, run: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(shell("runs", "show", run, "--json").stdout)
    return data


def run_that_fails(shell: Shell, *arguments: str) -> str:
    done = shell("run", "steered:mends", "--json", *arguments)
    assert done.returncode == 1
    run_id: str = json.loads(done.stdout)["run_id"]
    return run_id


def verify_store(shell: Shell) -> bool:
    done = shell("verify")
    assert done.returncode == 0, done.stdout + done.stderr
    return True


def test_cancel_tells_the_process_that_executes_the_run(steered: Shell) -> None:
    process, run = start_blocked_run(steered)
    done = steered("runs", "cancel", run[:30], "--reason", "enough", "--wait", "20")
    assert done.returncode == 0, done.stderr
    assert f"run {run} of stops is cancelled" in done.stdout
    assert process.wait(60) == 4
    assert steered.read_effects() == ["one", "two", "told"]
    run_ = show_run(steered, run)
    assert (run_["status"], run_["reason"]) == ("Cancelled", "enough")
    assert [t["status"] for t in run_["tasks"]] == ["Completed", "Cancelled", "Pending"]
    assert verify_store(steered)
    again = steered("runs", "cancel", run)
    assert again.returncode == 4
    assert "it is cancelled" in again.stderr


def test_a_second_cancel_waits_if_it_is_told_to(steered: Shell) -> None:
    """A body that does not look at its handle goes on after the first one."""
    (steered.home / "patient.py").write_text(SLOW_MODULE)
    command = [sys.executable, "patient.py"]
    process = subprocess.Popen(command, cwd=steered.home, env=steered.environment, encoding="utf-8")
    steered.processes.append(process)
    steered.wait_until((steered.home / "blocked").exists, process)
    assert "is being cancelled" in steered("runs", "cancel", "@last").stdout
    refused = steered("runs", "cancel", "@last")
    assert (refused.returncode, "already being cancelled" in refused.stderr) == (4, True)
    assert steered("runs", "cancel", "@last", "--wait", "0").returncode == 4
    second = steered.start("runs", "cancel", "@last", "--wait", "60")
    steered.release_tasks()
    assert second.wait(60) == 0
    assert process.wait(60) == 0
    assert show_run(steered, "@last")["status"] == "Cancelled"
    assert steered("runs", "cancel", "@last", "--wait", "60").returncode == 0, "that is how it ended"
    assert steered("runs", "cancel", "@last").returncode == 4


def test_cancel_of_a_run_nobody_executes_ends_it_at_once(steered: Shell) -> None:
    process, run = start_blocked_run(steered)
    process.kill()
    process.wait()
    done = steered("runs", "cancel", run, "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["run_id"], said["status"], said["executing_tasks"], said["is_claimed"]) == (
        run,
        "Cancelled",
        [],
        False,
    )
    assert steered.read_effects() == ["one", "two"]
    assert verify_store(steered)


def test_pause_and_resume_beside_a_process_that_executes(steered: Shell) -> None:
    process, run = start_blocked_run(steered)
    done = steered("runs", "pause", run, "--reason", "lunch")
    assert done.returncode == 0, done.stderr
    assert "1 task (two) at work will end as usual" in done.stdout
    steered.release_tasks()
    assert process.wait(60) == 4  # it waits for a person
    assert (show_run(steered, run)["status"], show_run(steered, run)["reason"]) == ("Paused", "lunch")
    assert steered.read_effects() == ["one", "two"]
    assert steered("runs", "pause", run).returncode == 4
    assert verify_store(steered)
    done = steered("runs", "resume", run)
    assert done.returncode == 0, done.stderr
    assert "no runner has taken it up yet" in done.stdout
    assert verify_store(steered)
    assert steered("run", "steered:stops", "--resume", run).returncode == 0
    assert steered.read_effects() == ["one", "two", "three"]


def test_retry_leaves_the_work_to_whoever_comes(steered: Shell) -> None:
    run = run_that_fails(steered)
    (steered.home / "mended").touch()
    assert steered("runs", "retry", run, "--release", "1.0").returncode == 2
    done = steered("runs", "retry", run, "--reason", "there is room again", "--release", "active")
    assert done.returncode == 0, done.stderr
    assert "no runner has taken it up yet" in done.stdout
    hint = next(line for line in done.stdout.splitlines() if "holdwater run " in line).split()
    assert hint[:3] == ["holdwater", "run", "MODULE:mends"]
    assert show_run(steered, run)["status"] == "Running"
    assert steered.read_effects() == ["load", "shaky"], "nothing is executed here"
    assert verify_store(steered)
    last = steered("run", "steered:mends", *hint[3:], "--json")
    assert last.returncode == 0, last.stderr
    assert json.loads(last.stdout)["final_context"] == {"rows": [1, 2], "sum": 3}
    assert steered.read_effects() == ["load", "shaky", "shaky"]
    assert steered("runs", "retry", run).returncode == 4
    assert verify_store(steered)


SERVING_SCRIPT = """
import sys
import steered
from holdwater import DefaultRunner

with DefaultRunner("sqlite:///holdwater.db"):
    print("up", flush=True)
    sys.stdin.readline()
"""


def start_worker_process(shell: Shell) -> subprocess.Popen[str]:
    """A process that executes whatever the database has; `holdwater run` executes its own run only."""
    pipe = subprocess.PIPE
    process: subprocess.Popen[str] = subprocess.Popen(
        [sys.executable, "-c", SERVING_SCRIPT],
        cwd=shell.home,
        env=shell.environment,
        stdin=pipe,
        stdout=pipe,
        text=True,
    )
    shell.processes.append(process)
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    return process


def test_retry_and_fork_are_claimed_by_a_live_runner(steered: Shell) -> None:
    run = run_that_fails(steered)
    (steered.home / "mended").touch()
    idle, other = start_blocked_run(steered, "idle")
    before = {w: show_run(steered, other)[w] for w in ("status", "tasks")}
    runner = start_worker_process(steered)
    done = steered("runs", "retry", run)
    assert f"run {run} of mends is tried again" in done.stdout  # what comes next depends on how fast the runner is
    steered.wait_until(lambda: bool(show_run(steered, run)["status"] == "Completed"), runner)
    fork = json.loads(steered("runs", "fork", run, "--from", "shaky", "--set", "factor=10", "--json").stdout)
    steered.wait_until(lambda: bool(show_run(steered, fork["run_id"])["status"] == "Completed"), runner)
    assert show_run(steered, fork["run_id"])["final_context"] == {"rows": [1, 2], "factor": 10, "sum": 30}
    assert {w: show_run(steered, other)[w] for w in ("status", "tasks")} == before, "what runs was left in peace"
    steered.release_tasks()
    assert idle.wait(60) == 0
    assert steered.read_effects() == ["load", "shaky", "shaky", "shaky"]
    assert verify_store(steered)


def test_fork_needs_no_code(steered: Shell) -> None:
    run = run_that_fails(steered, "--context", '{"elsewhere": 1}')
    (steered.home / "mended").touch()
    (steered.home / "values.json").write_text('{"rows": [5, 6], "factor": 2, "none": null}')
    done = steered("runs", "fork", run, "--from", "shaky", "--context", "values.json", "--set", "factor=3",
                   "--unset", "elsewhere", "--key", "k", "--json")  # fmt: skip
    assert done.returncode == 0, done.stderr
    fork = json.loads(done.stdout)
    assert (fork["forked_from"], fork["status"], fork["is_claimed"]) == (run, "Running", False)
    assert steered.read_effects() == ["load", "shaky"]
    listed = steered("runs", "show", fork["run_id"]).stdout
    assert f"forked from  {run}" in listed
    assert verify_store(steered)
    last = steered("run", "steered:mends", "--resume", fork["run_id"], "--json")
    assert last.returncode == 0, last.stderr
    assert json.loads(last.stdout)["final_context"] == {"rows": [5, 6], "factor": 3, "none": None, "sum": 33}
    assert steered.read_effects() == ["load", "shaky", "shaky"]
    assert show_run(steered, run)["status"] == "Failed"
    again = steered("runs", "fork", run, "--from", "shaky", "--context", "values.json", "--set", "factor=3",
                    "--unset", "elsewhere", "--key", "k", "--json")  # fmt: skip
    assert json.loads(again.stdout)["run_id"] == fork["run_id"]
    assert verify_store(steered)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--from", "shake"], 3, "did you mean 'shaky'?"),
        (["--from", "shaky", "--set", "x"], 2, "KEY=JSON"),
        (["--from", "shaky", "--set", "x=text"], 2, "a text needs quotes: --set 'x=\"text\"'"),
        (["--from", "shaky", "--set", "x=NaN"], 2, "error: "),
        (["--from", "shaky", "--set", "x=1", "--unset", "x"], 2, "to be set and to be removed"),
        (["--from", "shaky", "--unset", "row"], 2, "did you mean 'rows'?"),
        (["--from", "load", "--unset", "row"], 2, "'load' does not see 'row'"),
        (["--from", "shaky", "--context", "nowhere.json"], 2, "there is no such file"),
        (["--from", "shaky", "--context", "{x"], 2, "error: "),
        ([], 2, "--from"),
    ],
)
def test_a_fork_that_cannot_be(steered: Shell, arguments: list[str], code: int, said: str) -> None:
    run = run_that_fails(steered)
    done = steered("runs", "fork", run, *arguments)
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert len(json.loads(steered("runs", "list", "--json").stdout)) == 1


@pytest.mark.parametrize("command", ["cancel", "pause", "resume", "retry", "fork"])
def test_what_is_not_there(steered: Shell, command: str) -> None:
    more = ["--from", "shaky"] if command == "fork" else []
    missing = steered("runs", command, "ffff", *more)
    assert missing.returncode == 3
    assert "there is no database" in missing.stderr
    assert not list(steered.home.glob("*.db*"))
    run_that_fails(steered)
    assert steered("runs", command, "ffff", *more).returncode == 3
    assert steered("runs", command, "0", *more, "--database", "memory://").returncode == 2


def test_a_structure_that_changed_cannot_go_on_here(steered: Shell) -> None:
    """A retry is journalled by a process that knows no structure; the one that knows another says so."""
    run = run_that_fails(steered)
    (steered.home / "steered.py").write_text(STEERED_MODULE.replace("def shaky", "def renamed"))
    assert steered("runs", "retry", run).returncode == 0
    done = steered("run", "steered:mends", "--resume", run)
    assert done.returncode == 4
    assert "structure" in done.stdout
    assert "hint: a run whose workflow has another structure" in steered("runs", "list").stdout
    assert verify_store(steered)
