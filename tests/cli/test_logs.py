"""`holdwater runs logs`: what the tasks of a run printed and logged, and tracebacks."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import Shell

TALKS = """
import logging, sys, time
from pathlib import Path
from holdwater import WorkflowBuilder, task

log = logging.getLogger("talks")

with WorkflowBuilder("talks"):

    @task(id="say")
    def say(context):
        print("hello")
        print("oh", file=sys.stderr)
        log.info("an info")
        log.debug("no debug")

    @task(id="fail", dependencies=["say"])
    def fail(context):
        print("\\x1b[31mred\\x1b[0m \\x1b]0;owned\\x07 \\x08")
        log.warning("two\\nlines")
        raise ValueError("bad")


with WorkflowBuilder("slow"):

    @task(id="wait")
    def wait(context):
        print("begun")
        Path("blocked").touch()
        while not Path("go").exists():
            time.sleep(0.005)
        print("ended")
"""


@pytest.fixture(autouse=True)
def talks(shell: Shell) -> None:
    (shell.home / "talks.py").write_text(TALKS)


def test_lines_for_people(shell: Shell) -> None:
    assert shell("run", "talks:talks").returncode == 1
    said = shell("runs", "logs", "@last")
    assert said.returncode == 0, said.stderr
    head, *rest = zip(*[line.split("Z  ", 1) for line in said.stdout.splitlines() if "Z  " in line], strict=True)
    assert all(len(instant) == 19 for instant in head)
    assert list(rest[0]) == [
        "say  hello",
        "say  stderr: oh",
        "say  INFO talks: an info",
        r"fail  red  \x08",
        "fail  WARNING talks: two",
        "fail  Traceback (most recent call last):",
    ]
    assert "    lines\n" in said.stdout
    assert said.stdout.endswith("    ValueError: bad\n")
    assert "\x1b" not in said.stdout


def test_lines_for_programs(shell: Shell) -> None:
    shell("run", "talks:talks")
    lines = [json.loads(line) for line in shell("runs", "logs", "@last", "--json").stdout.splitlines()]
    assert [(line["node"], line["stream"]) for line in lines] == [
        ("say", "stdout"),
        ("say", "stderr"),
        ("say", "log"),
        ("fail", "stdout"),
        ("fail", "log"),
        ("fail", "traceback"),
    ]
    assert (lines[2]["level"], lines[2]["logger"], lines[4]["text"]) == ("INFO", "talks", "two\nlines")
    after = shell("runs", "logs", "@last", "--json", "--after", lines[2]["cursor"]).stdout
    assert [json.loads(line) for line in after.splitlines()] == lines[3:]
    of_node = shell("runs", "logs", "@last", "--node", "say", "--attempt", "1", "--json").stdout
    assert len(of_node.splitlines()) == 3
    assert shell("runs", "logs", "@last", "--attempt", "2").stdout == ""


def test_output_is_passed_on_and_kept_out_of_json(shell: Shell) -> None:
    said = shell("run", "talks:talks", "--json")
    assert json.loads(said.stdout)["status"] == "Failed"
    assert "hello\n" in said.stderr
    lines = [json.loads(line) for line in shell("runs", "logs", "@last", "--json").stdout.splitlines()]
    assert [line["stream"] for line in lines[:2]] == ["stdout", "stderr"]


def test_a_run_of_another_process_is_followed_to_its_end(shell: Shell) -> None:
    executing = shell.start("run", "talks:slow")
    shell.wait_until(lambda: (shell.home / "blocked").exists(), executing)
    following = shell.start("runs", "logs", "@last", "--follow")
    assert following.stdout is not None
    assert following.stdout.readline().endswith("wait  begun\n")
    shell.release_tasks()
    assert [line.rpartition("  ")[2] for line in following.stdout] == ["ended\n"]
    assert (following.wait(60), executing.wait(60)) == (0, 0)


def test_what_is_not_there(shell: Shell) -> None:
    shell("run", "talks:talks")
    unknown = shell("runs", "logs", "@last", "--node", "sya")
    assert unknown.returncode == 3
    assert "say" in unknown.stderr
    assert shell("runs", "logs", "@last", "--after", "x").returncode == 2
    assert shell("runs", "logs", "ffffffff").returncode == 3


@pytest.mark.parametrize("options", [[], ["--config", "talks:config"]])
def test_a_worker_keeps_what_functions_print_and_log(shell: Shell, options: list[str]) -> None:
    with (shell.home / "talks.py").open("a") as module:
        module.write("\nfrom holdwater import DefaultRunnerConfig\nconfig = DefaultRunnerConfig(capture_logs=False)\n")
    worker = shell.start("worker", "talks", *options)
    assert worker.stdout is not None
    assert worker.stdout.readline().startswith("ready")
    submitted = shell("submit", "talks")
    assert submitted.returncode == 0, submitted.stderr
    followed = shell("runs", "logs", "@last", "--follow", "--json").stdout
    streams = [json.loads(line)["stream"] for line in followed.splitlines()]
    taken = ["stdout", "stderr", "log", "stdout", "log", "traceback"]
    assert streams == (taken if not options else [stream for stream in taken if stream != "log"])
    worker.terminate()
    assert worker.wait(60) == 0
