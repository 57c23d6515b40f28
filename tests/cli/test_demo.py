"""The demo: killed anywhere, it goes on, and does nothing recorded twice."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from tests.cli.conftest import Shell
from tests.suite.effort import LONG


def count_effects(shell: Shell) -> Counter[str]:
    return Counter(line.split()[0] for line in (shell.home / "demo" / "effects.log").read_text().splitlines())


def recorded_task_states(shell: Shell) -> dict[str, str]:
    """Task -> state of the only run."""
    url = f"sqlite:///{shell.home}/demo/demo.db"
    (run,) = json.loads(shell("runs", "list", "--database", url, "--json").stdout)
    shown = json.loads(shell("runs", "show", run["run_id"], "--database", url, "--json").stdout)
    return {t["task_name"]: t["status"] for t in shown["tasks"]}


@pytest.mark.parametrize(
    ("task", "attempt"),
    [
        ("load", 1),
        pytest.param("rain", 1, marks=LONG),
        ("fetch_normals", 2),
        pytest.param("merge", 1, marks=LONG),
        ("report", 1),
    ],
)
def test_killed_and_called_again(shell: Shell, task: str, attempt: int) -> None:
    process = shell.start("demo", "--dir", "demo", "--pace", "0.1")
    log = shell.home / "demo" / "effects.log"
    shell.wait_until(lambda: log.exists() and count_effects(shell)[task] == attempt, process)
    process.kill()
    assert process.wait(60) == -9
    before = count_effects(shell)
    states = {name: state for name, state in recorded_task_states(shell).items() if state in ("Completed", "Skipped")}
    settled = [name for name, state in states.items() if state == "Completed"]

    found = json.loads(shell("doctor", "@last", "--database", "sqlite:///demo/demo.db", "--json").stdout)
    commands = [one["command"] for one in found if one["severity"] == "problem"]
    assert commands in ([], [["demo", "--dir", str(shell.home / "demo")]])  # it may have been killed at its end
    done = shell("demo", "--dir", "demo", "--pace", "0")  # another pace is no reason to start another run
    assert done.returncode == 0, done.stderr
    assert "Resuming run" in done.stdout
    assert f" {len(states)} of 12 tasks" in done.stdout
    after = count_effects(shell)
    assert {name: after[name] for name in settled} == {name: before[name] for name in settled}
    assert recorded_task_states(shell)["report"] == "Completed"
    assert (shell.home / "demo" / "report.html").exists()
    for label in ("Report:", "Picture:", "Database:"):
        assert label in done.stdout
    assert shell("verify", "--database", "sqlite:///demo/demo.db").returncode == 0


def test_called_again_after_its_end_it_does_nothing(shell: Shell) -> None:
    first = shell("demo", "--dir", "demo", "--pace", "0")
    assert first.returncode == 0, first.stderr
    before = count_effects(shell)
    again = shell("demo", "--dir", "demo")
    assert again.returncode == 0
    assert "completed already" in again.stdout
    assert "Report:" in again.stdout
    assert count_effects(shell) == before
    fresh = shell("demo", "--dir", "demo", "--pace", "0", "--fresh")
    assert fresh.returncode == 0
    assert "begins" in fresh.stdout
    assert count_effects(shell)["report"] == 2
    runs = json.loads(shell("runs", "list", "--database", "sqlite:///demo/demo.db", "--json").stdout)
    assert [r["idempotency_key"] for r in runs] == ["demo-2", "demo-1"]


def test_a_directory_that_cannot_be_made(shell: Shell) -> None:
    (shell.home / "file").touch()
    for name in ("file/demo", "file", "what?"):
        done = shell("demo", "--dir", name)
        assert done.returncode == 2
        assert done.stderr.startswith("error: ")


def test_a_person_approves_the_report(shell: Shell) -> None:
    process = shell.start("demo", "--dir", "demo", "--pace", "0", "--review")
    url = f"sqlite:///{shell.home}/demo/demo.db"

    def asked() -> bool:
        listed = shell("runs", "list", "--database", url, "--json")
        return listed.returncode == 0 and any(run["status"] == "Paused" for run in json.loads(listed.stdout))

    shell.wait_until(asked, process)
    assert shell("runs", "answer", "@last", "false", "--database", url).returncode == 0
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "waits for approve" in out
    assert out.splitlines()[-1] == "Decision:      withdrawn"
    assert (shell.home / "demo" / "report.decision.txt").read_text() == "withdrawn\n"
