"""Ctrl-C, and going on afterwards."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import pytest

from tests.cli.conftest import Shell

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")


def interrupt_run(
    shell: Shell, *arguments: str, by: signal.Signals = signal.SIGINT, word: str = "interrupted"
) -> subprocess.Popen[str]:
    """A `holdwater run` that got Ctrl-C, or another signal, while its second task ran, and has said so."""
    process = shell.start("run", "flows:waits", *arguments)
    shell.wait_until((shell.home / "blocked").exists, process)
    assert process.stdout is not None
    assert process.stdout.readline().startswith("run ")  # from here on it knows which run it watches
    process.send_signal(by)
    assert process.stderr is not None
    for line in process.stderr:
        if word in line:
            assert ("SIGTERM again" if by == signal.SIGTERM else "Ctrl-C again") in line
            return process
    raise AssertionError("it said nothing")


def test_what_runs_may_end_and_the_rest_goes_on_later(shell: Shell) -> None:
    process = interrupt_run(shell)
    shell.release_tasks()
    assert process.wait(60) == 130
    assert process.stderr is not None
    said = process.stderr.read()
    assert "2 of 3 tasks (one, two) settled, it is Running" in said
    hint = said.partition("go on with ")[2].split()
    assert hint[:2] == ["holdwater", "run"]
    done = shell(*hint[1:])
    assert done.returncode == 0, done.stderr
    tasks = {line.split()[0]: line for line in done.stdout.splitlines() if "  Completed  " in line}
    assert [name for name, line in tasks.items() if line.endswith("recorded earlier")] == ["one", "two"]
    assert not tasks["three"].endswith("recorded earlier")
    assert shell.read_effects() == ["one", "two", "three"]
    assert shell("verify").returncode == 0


def test_sigterm_drains_as_ctrl_c_does(shell: Shell) -> None:
    process = interrupt_run(shell, by=signal.SIGTERM, word="terminated")
    shell.release_tasks()
    assert process.wait(60) == 143
    assert process.stderr is not None
    said = process.stderr.read()
    assert "2 of 3 tasks (one, two) settled, it is Running" in said
    done = shell(*said.partition("go on with ")[2].split()[1:])
    assert done.returncode == 0, done.stderr
    assert shell.read_effects() == ["one", "two", "three"]


def test_a_second_sigterm_leaves_at_once(shell: Shell) -> None:
    process = interrupt_run(shell, by=signal.SIGTERM, word="terminated")
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 143
    shell.release_tasks()
    done = shell("run", "flows:waits", "--resume", "@last")
    assert done.returncode == 0, done.stderr
    assert shell.read_effects() == ["one", "two", "two", "three"]


def test_a_key_goes_on_too(shell: Shell) -> None:
    process = interrupt_run(shell, "--key", "k")
    shell.release_tasks()
    assert process.wait(60) == 130
    done = shell("run", "flows:waits", "--key", "k", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["final_context"] == {"done": True}
    assert shell.read_effects() == ["one", "two", "three"]


def test_a_second_one_leaves_at_once(shell: Shell) -> None:
    process = interrupt_run(shell)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130  # the grace is 5 s
    assert process.stdout is not None
    assert process.stderr is not None
    said = process.stderr.read()
    assert "Traceback" not in said
    assert "--resume " in said, said
    shell.release_tasks()
    done = shell("run", "flows:waits", "--resume", said.partition("--resume ")[2].strip())
    assert done.returncode == 0, done.stderr
    assert shell.read_effects() == ["one", "two", "two", "three"]  # the second was never recorded, so it is done again
    assert shell("verify").returncode == 0
