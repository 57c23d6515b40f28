"""`holdwater runs follow`: the events of a run, whoever executes it, to its end."""

from __future__ import annotations

import json
import re
import threading
from pathlib import Path

import pytest

from holdwater import DefaultRunner
from holdwater.cli.follow import watch_run
from holdwater.cli.places import DatabasePlace
from holdwater.graphs import Graph, interrupt, node
from holdwater.runners.tasks.results import PipelineResult
from tests.cli.conftest import Shell


def test_a_run_of_another_process_is_followed_to_its_end(shell: Shell) -> None:
    executing = shell.start("run", "flows:waits")
    shell.wait_until(lambda: (shell.home / "blocked").exists(), executing)
    following = shell.start("runs", "follow", "@last", "--json")
    assert following.stdout is not None
    seen = [json.loads(following.stdout.readline())]
    (shell.home / "go").touch()
    seen += map(json.loads, following.stdout)
    assert (following.wait(60), executing.wait(60)) == (0, 0)
    names = [(event["type"], event.get("node")) for event in seen if event["type"] != "task_marked_ready"]
    assert names == [
        ("workflow_started", None),
        ("task_started", "one"),
        ("task_completed", "one"),
        ("task_started", "two"),
        ("task_completed", "two"),
        ("task_started", "three"),
        ("task_completed", "three"),
        ("workflow_completed", None),
    ]


def test_lines_say_what_happened_and_where_to_go_on(shell: Shell) -> None:
    shell("run", "flows:fails")
    whole = shell("runs", "follow", "@last")
    assert whole.returncode == 0, whole.stderr
    lines = whole.stdout.splitlines()
    failed = next(k for k, line in enumerate(lines) if "task_failed" in line)
    assert re.match(
        r"\d+\.\d+ +\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ  task_failed +broken  ValueError: no \[red\]luck", lines[failed]
    )
    assert "\x1b" not in whole.stdout
    place = lines[failed].split()[0]
    assert shell("runs", "follow", "@last", "--after", place).stdout.splitlines() == lines[failed + 1 :]
    seq = int(place.partition(".")[0])
    later = [line for line in lines if int(line.partition(".")[0]) > seq]
    assert shell("runs", "follow", "@last", "--after", str(seq)).stdout.splitlines() == later


@pytest.mark.parametrize("command", [["follow"], ["logs", "--follow"]])
def test_a_run_that_nothing_executes_says_why(shell: Shell, command: list[str]) -> None:
    executing = shell.start("run", "flows:waits")
    shell.wait_until(lambda: (shell.home / "blocked").exists(), executing)
    executing.kill()
    executing.wait(60)
    following = shell.start("runs", *command, "@last")
    assert following.stderr is not None
    said = following.stderr.readline()
    assert "orphaned" in said
    assert "died" in said
    resume = said.partition("`holdwater ")[2].partition("`")[0].replace("MODULE:WORKFLOW", "flows").split()
    shell.release_tasks()
    assert shell(*resume).returncode == 0
    assert following.wait(60) == 0


def test_what_is_no_place_and_no_run(shell: Shell) -> None:
    shell("run", "flows:sums")
    assert shell("runs", "follow", "@last", "--after", "x").returncode == 2
    assert shell("runs", "follow", "ffffffff").returncode == 3


class _ReleasingView:
    """Lets the other branch end after the run was looked at with an open question."""

    refresh_seconds = 0.1

    def __init__(self, release: threading.Event) -> None:
        self._release, self._has_asked = release, False

    def __enter__(self) -> _ReleasingView:
        return self

    def __exit__(self, *exception: object) -> None: ...

    def show(self, result: PipelineResult) -> None:
        if self._has_asked:  # the look before this one has gone by
            self._release.set()
        states = {task.task_name: task.status for task in result.task_results}
        self._has_asked = states == {"ask": "Waiting", "other": "Running", "end": "Pending"}


def test_a_question_beside_a_running_branch_is_left_to_the_outcome(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both would name the command that answers it."""
    release = threading.Event()

    @interrupt(answer_name="approved", response_type=bool)
    def ask(topic: str) -> str:
        return topic

    @node(output_name="found")
    def other(topic: str) -> str:
        release.wait(60)
        return topic

    @node(output_name="done")
    def end(approved: bool, found: str) -> str:
        return found

    url = f"sqlite:///{tmp_path}/runs.db"
    with DefaultRunner(url) as runner:
        handle = runner.submit(Graph([ask, other, end], name="asks"), {"topic": "rain"})
        result = watch_run(handle, _ReleasingView(release), DatabasePlace(url))
    assert (result.status, release.is_set()) == ("Paused", True)
    assert "waits for" not in capsys.readouterr().out
