"""`penstock runs` and `penstock graph`: looking, and changing nothing."""

from __future__ import annotations

import json
import sqlite3

import pytest

from .conftest import Shell

FAMILY = """
import flows
from penstock import WorkflowBuilder, task

with WorkflowBuilder("sums of sums"):

    @task()
    def add(context, handle):
        context["z"] = sum(handle.execute("sums", {"x": x}).final_context["y"] for x in (1, 2))
"""

LOOKS = [["runs", "list"], ["runs", "show", "0"], ["verify"], ["runs", "forget", "--older-than", "1d"]]


def test_list_and_show(shell: Shell) -> None:
    for workflow in ("sums", "sums", "fails"):
        shell("run", f"flows:{workflow}")
    runs = json.loads(shell("runs", "list", "--json").stdout)
    assert [r["status"] for r in runs] == ["Failed", "Completed", "Completed"]
    assert len(json.loads(shell("runs", "list", "--limit", "1", "--json").stdout)) == 1
    assert len(json.loads(shell("runs", "list", "--workflow", "sums", "--json").stdout)) == 2
    assert len(json.loads(shell("runs", "list", "--status", "failed", "--json").stdout)) == 1
    listed = shell("runs", "list").stdout
    assert runs[0]["run_id"] in listed
    assert r"\x1b" in listed
    assert "\x1b" not in listed

    shown = shell("runs", "show", runs[0]["run_id"])
    assert shown.returncode == 0
    assert "upstream failed: broken" in shown.stdout
    assert "\x1b" not in shown.stdout
    data = json.loads(shell("runs", "show", runs[1]["run_id"], "--json").stdout)
    assert data["final_context"] == {"x": 2, "y": 4}
    # the last digits are random, so nearly all of the id is a prefix nobody else has
    assert shell("runs", "show", runs[1]["run_id"][:30]).returncode == 0


def test_a_prefix_must_be_of_one_run(shell: Shell) -> None:
    shell("run", "flows:sums")
    shell("run", "flows:sums")
    assert shell("runs", "show", "ffffffff").returncode == 3
    assert shell("runs", "show", "no id at all").returncode == 3
    both = shell("runs", "show", "0")
    assert both.returncode == 2
    assert "several runs" in both.stderr


@pytest.fixture
def family(shell: Shell) -> None:
    (shell.home / "family.py").write_text(FAMILY)


def listed(shell: Shell, *options: str) -> list[str]:
    return [run["workflow_name"] for run in json.loads(shell("runs", "list", "--json", *options).stdout)]


@pytest.mark.usefixtures("family")
def test_children_are_listed_when_they_are_asked_for(shell: Shell) -> None:
    shell("run", "flows:sums")
    shell("run", "family:sums of sums")
    assert listed(shell) == ["sums of sums", "sums"]
    assert listed(shell, "--children") == ["sums", "sums", "sums of sums", "sums"]
    parent, other = [run["run_id"] for run in json.loads(shell("runs", "list", "--json").stdout)]
    assert listed(shell, "--parent", parent[:30]) == ["sums", "sums"]
    assert listed(shell, "--parent", other) == []
    assert shell("runs", "list", "--parent", "nobody").returncode == 3


def test_an_id_wins_over_those_it_begins(shell: Shell) -> None:
    shell("run", "flows:sums")
    rename(shell, "daily")
    shell("run", "flows:sums")
    rename(shell, "daily-2")
    shell("run", "flows:sums")
    rename(shell, "daily-2/m.0.0", parent="daily-2")

    def shown(wanted: str) -> str:
        return str(json.loads(shell("runs", "show", wanted, "--json").stdout)["run_id"])

    assert shown("daily") == "daily"
    assert shown("daily-") == "daily-2", "its child is not meant"
    assert shown("daily-2/") == "daily-2/m.0.0"
    assert "several runs" in shell("runs", "show", "dail").stderr


def rename(shell: Shell, new: str, parent: str | None = None) -> None:
    """Call the newest run so."""
    db = sqlite3.connect(shell.home / "penstock.db", isolation_level=None)
    (old,) = db.execute("SELECT id FROM runs ORDER BY created_at DESC LIMIT 1").fetchone()
    db.execute("UPDATE runs SET id = ?, parent_id = ? WHERE id = ?", (new, parent, old))
    db.execute("UPDATE journal SET run_id = ? WHERE run_id = ?", (new, old))
    db.close()


@pytest.mark.usefixtures("family")
def test_forgetting(shell: Shell) -> None:
    for _ in range(3):
        shell("run", "family:sums of sums")
    ids = [run["run_id"] for run in json.loads(shell("runs", "list", "--json").stdout)]
    assert shell("runs", "forget", "--older-than", "30d").stdout == "0 runs forgotten\n"
    done = shell("runs", "forget", "--older-than", "1ms", "--keep", ids[1], "--json")
    assert json.loads(done.stdout) == {"forgotten": 6}
    assert listed(shell, "--children") == ["sums", "sums", "sums of sums"]
    assert shell("verify").returncode == 0
    assert shell("runs", "show", ids[0]).returncode == 3


@pytest.mark.parametrize(
    ("options", "code"), [([], 2), (["--older-than", "soon"], 2), (["--older-than", "1s", "--keep", "nobody"], 3)]
)
def test_nothing_is_forgotten_by_mistake(shell: Shell, options: list[str], code: int) -> None:
    shell("run", "flows:sums")
    assert shell("runs", "forget", *options).returncode == code
    assert listed(shell) == ["sums"]


@pytest.mark.parametrize("command", LOOKS)
def test_a_database_that_is_not_there_is_not_made(shell: Shell, command: list[str]) -> None:
    done = shell(*command)
    assert done.returncode == 3
    assert "there is no database" in done.stderr
    assert not list(shell.home.glob("*.db*"))
    assert shell(*command, "--database", "memory://").returncode == 2


@pytest.mark.parametrize("command", LOOKS)
def test_somebody_elses_file_stays_as_it_is(shell: Shell, command: list[str]) -> None:
    path = shell.home / "penstock.db"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE mine (x)")
    other.commit()
    other.close()
    before = path.read_bytes()
    done = shell(*command)
    assert done.returncode == 2
    assert path.read_bytes() == before
    path.write_text("not a database at all, but a text that is long enough to look like one " * 20)
    assert shell(*command).returncode == 2


def test_looking_executes_nothing(shell: Shell) -> None:
    process = shell.start("run", "flows:waits")
    shell.wait_until((shell.home / "blocked").exists, process)
    process.kill()
    process.wait()
    before = shell.effects()
    shell.let_go()
    (run,) = json.loads(shell("runs", "list", "--json").stdout)
    assert run["status"] == "Running"
    shown = json.loads(shell("runs", "show", run["run_id"], "--json").stdout)
    assert shown["tasks"][0]["status"] == "Completed"
    assert shown["tasks"][2]["status"] == "Pending"
    assert shell("verify").returncode == 0
    assert shell.effects() == before


def test_graphs(shell: Shell) -> None:
    text = shell("graph", "flows:waits")
    assert text.returncode == 0
    assert "level 2" in text.stdout
    assert "<- two" in text.stdout
    mermaid = shell("graph", "flows:waits", "--format", "mermaid")
    assert mermaid.returncode == 0
    assert mermaid.stdout.startswith("flowchart TD\n")
    assert "-->" in mermaid.stdout
    assert shell("graph", "flows:nothing").returncode == 3
    assert not list(shell.home.glob("*.db*"))
