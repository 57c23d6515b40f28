"""`holdwater runs` and `holdwater graph`: looking, and changing nothing."""

from __future__ import annotations

import json
import signal
import sqlite3
from collections.abc import Iterator

import pytest

from holdwater.model import ids
from tests.cli.conftest import FLOWS, Shell
from tests.suite.forking import ForkServer

PARENT_MODULE = """
import flows
from holdwater import WorkflowBuilder, task

with WorkflowBuilder("sums of sums"):

    @task()
    def add(context, handle):
        context["z"] = sum(handle.execute("sums", {"x": x}).final_context["y"] for x in (1, 2))
"""

READ_ONLY_COMMANDS = [["runs", "list"], ["runs", "show", "0"], ["verify"], ["runs", "prune", "--older-than", "1d"]]


def test_list_and_show(shell: Shell) -> None:
    for workflow in ("sums", "sums", "fails"):
        shell("run", f"flows:{workflow}")
    runs = json.loads(shell("runs", "list", "--json").stdout)
    assert [r["status"] for r in runs] == ["Failed", "Completed", "Completed"]
    assert len(json.loads(shell("runs", "list", "--limit", "1", "--json").stdout)) == 1
    assert len(json.loads(shell("runs", "list", "--workflow", "sums", "--json").stdout)) == 2
    assert len(json.loads(shell("runs", "list", "--status", "failed", "--json").stdout)) == 1
    listed = shell("runs", "list").stdout
    assert runs[0]["run_id"][-8:] in listed
    assert "3 runs: 1 failed, 2 completed" in listed
    assert r"\x1b" in listed
    assert "\x1b" not in listed

    shown = shell("runs", "show", runs[0]["run_id"])
    assert shown.returncode == 0
    assert "upstream failed: broken" in shown.stdout
    assert "\x1b" not in shown.stdout
    data = json.loads(shell("runs", "show", runs[1]["run_id"], "--json").stdout)
    assert data["final_context"] == {"x": 2, "y": 4}
    # the last digits are random: they name the run, and so does nearly all of the id from its beginning
    assert json.loads(shell("runs", "show", runs[1]["run_id"][-8:], "--json").stdout)["run_id"] == runs[1]["run_id"]
    assert shell("runs", "show", runs[1]["run_id"][:30]).returncode == 0


def test_a_run_is_exported(shell: Shell) -> None:
    shell("run", "flows:sums")
    shell("runs", "export", "@last", "--output", "run.json")
    first, second = (
        json.loads((shell.home / "run.json").read_text()),
        json.loads(shell("runs", "export", "@last").stdout),
    )
    assert first | {"exported_at": 0} == second | {"exported_at": 0}
    assert shell("runs", "export", "nothing").returncode == 3


FAILING_MODULE = """
from holdwater import WorkflowBuilder, task

def third(x):
    return 1 / x

def second(x):
    try:
        third(x)
    except ZeroDivisionError as error:
        error.add_note("a note \\x1b[31m")
        raise

with WorkflowBuilder("buggy"):

    @task(retry_attempts=1)
    def calc(context):
        second(0)
"""


def test_where_a_task_failed(shell: Shell) -> None:
    (shell.home / "buggy.py").write_text(FAILING_MODULE)
    plain = shell("run", "buggy")
    assert plain.returncode == 1
    assert "Traceback" not in plain.stdout + plain.stderr
    (run,) = json.loads(shell("runs", "list", "--json").stdout)
    hint = f"holdwater runs show {run['run_id']}"
    assert hint in plain.stdout
    shown = shell(*hint.split()[1:]).stdout
    for part in ("traceback of calc", "in calc", "in second", "in third", "return 1 / x", r"a note \x1b"):
        assert part in shown
    assert "\x1b" not in shown
    (task,) = json.loads(shell("runs", "show", run["run_id"], "--json").stdout)["tasks"]
    assert "in third" in task["traceback"]
    assert "in third" in shell("--debug", "run", "buggy").stderr
    assert "in third" in shell("--debug", "run", "buggy", "--database", "sqlite:///:memory:").stderr


def test_a_prefix_must_be_of_one_run(shell: Shell) -> None:
    shell("run", "flows:sums")
    shell("run", "flows:sums")
    assert shell("runs", "show", "ffffffff").returncode == 3
    assert shell("runs", "show", "no id at all").returncode == 3
    both = shell("runs", "show", "0")
    assert both.returncode == 2
    assert "several runs" in both.stderr
    for run in json.loads(shell("runs", "list", "--json").stdout):
        assert f"{run['run_id']}  sums  Completed  {run['start_time'][:10]}" in both.stderr, "the candidates are listed"


def test_last_is_the_newest_run_without_a_parent(shell: Shell, family: None) -> None:
    shell("run", "flows:sums")
    shell("run", "family:sums of sums")
    assert json.loads(shell("runs", "show", "@last", "--json").stdout)["workflow_name"] == "sums of sums"
    shell("run", "flows:fails")
    assert json.loads(shell("runs", "retry", "@last", "--json").stdout)["workflow_name"] == "fails"
    (shell.home / "holdwater.db").rename(shell.home / "old.db")
    sqlite3.connect(shell.home / "holdwater.db").close()
    assert shell("runs", "show", "@last").returncode != 0


@pytest.mark.parametrize(
    ("options", "workflows", "line"),
    [
        ([], ["fails", "sums", "sums"], "3 runs: 1 failed, 2 completed"),
        (["--limit", "2"], ["fails", "sums"], "2 of 3 runs: 1 failed, 2 completed"),
        (["--offset", "1"], ["sums", "sums"], "2 of 3 runs (behind the first 1): 1 failed, 2 completed"),
        (["--offset", "3"], [], "no runs behind the first 3"),
        (["--since", "1h"], ["fails", "sums", "sums"], "3 runs: 1 failed, 2 completed"),
        (["--since", "2020-01-01"], ["fails", "sums", "sums"], "3 runs: 1 failed, 2 completed"),
        (["--since", "2999-01-01T00:00:00Z"], [], "no runs"),
        (["--status", "failed"], ["fails"], "1 run: 1 failed"),
        (["--workflow", "sums", "--limit", "1"], ["sums"], "1 of 2 runs: 2 completed"),
    ],
)
def test_parts_of_the_list_and_their_totals(three: Shell, options: list[str], workflows: list[str], line: str) -> None:
    shell = three
    assert list_workflow_names(shell, *options) == workflows
    assert shell("runs", "list", *options).stdout.splitlines()[-1] == line


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory, interpreter: ForkServer) -> Iterator[Shell]:
    """A database with three runs, which is only looked at."""
    shell = Shell(tmp_path_factory.mktemp("three"), interpreter)
    (shell.home / "flows.py").write_text(FLOWS)
    for workflow in ("sums", "sums", "fails"):
        shell("run", f"flows:{workflow}")
    yield shell
    shell.close()


def test_a_page_longer_than_the_store_gives_at_once(three: Shell) -> None:
    assert list_workflow_names(three, "--limit", "5000", "--offset", "2") == ["sums"]


@pytest.mark.parametrize("since", ["yesterday", "-1h", "0h", "99999999h", "2026-13-01", ""])
def test_since_what_is_no_instant(three: Shell, since: str) -> None:
    said = three("runs", "list", "--since", since)
    assert said.returncode == 2, said.stdout
    assert "--since" in said.stderr


def test_the_database_is_taken_from_the_environment(three: Shell, shell: Shell) -> None:
    shell.environment["HOLDWATER_DATABASE"] = f"sqlite:///{three.home / 'holdwater.db'}"
    assert list_workflow_names(shell) == ["fails", "sums", "sums"]
    assert shell("runs", "list", "--database", "sqlite:///other.db").returncode == 3, "an option wins"


@pytest.mark.parametrize(
    ("options", "workflows"),
    [
        (["--status", "failed", "--status", "Completed"], ["fails", "sums", "sums"]),
        (["--status", "!completed"], ["fails"]),
        (["--workflow", "f*", "--workflow", "su?s"], ["fails", "sums", "sums"]),
        (["--workflow", "!s*"], ["fails"]),
        (["--workflow", "[fs]*"], ["fails", "sums", "sums"]),
        (["--workflow", "[fs]ums"], []),
        (["--origin", "cli"], ["fails", "sums", "sums"]),
        (["--origin", "cron", "--origin", "api"], []),
        (["--label", "env"], []),
        (["--until", "1h"], []),
        (["--ended-since", "1h"], ["fails", "sums", "sums"]),
        (["--ended-until", "1h"], []),
        (["--search", "no such text"], []),
    ],
)
def test_filters_of_the_list(three: Shell, options: list[str], workflows: list[str]) -> None:
    assert list_workflow_names(three, *options) == workflows


def test_runs_are_found_by_labels_and_show_authors(shell: Shell) -> None:
    shell("run", "flows:sums", "--label", "env=prod", "--label", "team=x y")
    shell("run", "flows:sums")
    assert list_workflow_names(shell) == ["sums", "sums"]
    assert list_workflow_names(shell, "--label", "env=prod", "--label", "team") == ["sums"]
    assert list_workflow_names(shell, "--label", "env=dev") == []
    header, plain, labelled, _ = shell("runs", "list").stdout.splitlines()
    assert header.split() == ["RUN", "WORKFLOW", "STATUS", "STARTED", "ENDED", "BY", "LABELS"]
    assert labelled.endswith("  env=prod team=x y")
    assert "  cli:" in plain
    shown = shell("runs", "show", "@last").stdout
    assert "by        cli:" in shown


@pytest.mark.parametrize(
    "options",
    [
        ["--status", "odd"],
        ["--status", "!odd"],
        ["--label", "a=1", "--label", "a=2"],
    ],
)
def test_a_filter_that_cannot_be_is_an_error_of_usage(three: Shell, options: list[str]) -> None:
    assert three("runs", "list", *options).returncode == 2


@pytest.mark.parametrize(
    "options", [["--origin", "web"], ["--label", "1=x"], ["--until", "soon"], ["--search", ""], ["--workflow", "!"]]
)
def test_a_value_that_cannot_be_is_named(three: Shell, options: list[str]) -> None:
    said = three("runs", "list", *options)
    assert said.returncode == 2, said.stderr
    assert "Traceback" not in said.stderr


def test_the_list_is_shown_again_until_it_is_interrupted(three: Shell) -> None:
    process = three.start("runs", "list", "--watch")
    assert process.stdout is not None
    for line in process.stdout:
        if "3 runs" in line:
            break
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0
    assert three("runs", "list", "--watch", "--json").returncode == 2


def test_the_activity_of_an_unfinished_run_is_shown(shell: Shell) -> None:
    process = shell.start("run", "flows:waits")
    shell.wait_until((shell.home / "blocked").exists, process)
    (run,) = json.loads(shell("runs", "list", "--json").stdout)
    assert run["activity"] == f"running on {ids.new_owner_id().rsplit('.', 2)[0]}:{process.pid}"
    assert f"status    R{run['activity'][1:]}\n" in shell("runs", "show", "@last").stdout
    process.kill()
    process.wait()
    assert "  orphaned by " in shell("runs", "list").stdout
    shell.release_tasks()
    assert shell("run", "flows:waits", "--resume", "@last").returncode == 0
    (run,) = json.loads(shell("runs", "list", "--json").stdout)
    assert run["activity"] is None


@pytest.fixture
def family(shell: Shell) -> None:
    (shell.home / "family.py").write_text(PARENT_MODULE)


def list_workflow_names(shell: Shell, *options: str) -> list[str]:
    return [run["workflow_name"] for run in json.loads(shell("runs", "list", "--json", *options).stdout)]


@pytest.mark.usefixtures("family")
def test_children_are_listed_when_they_are_asked_for(shell: Shell) -> None:
    shell("run", "flows:sums")
    shell("run", "family:sums of sums")
    assert list_workflow_names(shell) == ["sums of sums", "sums"]
    assert list_workflow_names(shell, "--children") == ["sums", "sums", "sums of sums", "sums"]
    parent, other = [run["run_id"] for run in json.loads(shell("runs", "list", "--json").stdout)]
    assert list_workflow_names(shell, "--parent", parent[:30]) == ["sums", "sums"]
    assert list_workflow_names(shell, "--parent", other) == []
    assert shell("runs", "list", "--children").stdout.count(f"  child of {parent[-8:]}\n") == 2
    assert "child of" not in shell("runs", "list").stdout
    assert shell("runs", "list", "--parent", "nobody").returncode == 3


def test_an_id_wins_over_those_it_begins(shell: Shell) -> None:
    shell("run", "flows:sums")
    rename_newest_run(shell, "daily")
    shell("run", "flows:sums")
    rename_newest_run(shell, "daily-2")
    shell("run", "flows:sums")
    rename_newest_run(shell, "daily-2/m.0.0", parent="daily-2")

    def shown(wanted: str) -> str:
        return str(json.loads(shell("runs", "show", wanted, "--json").stdout)["run_id"])

    assert shown("daily") == "daily"
    assert shown("daily-") == "daily-2", "its child is not meant"
    assert shown("daily-2/") == "daily-2/m.0.0"
    assert "several runs" in shell("runs", "show", "dail").stderr


def rename_newest_run(shell: Shell, new: str, parent: str | None = None) -> None:
    """Call the newest run so."""
    db = sqlite3.connect(shell.home / "holdwater.db", isolation_level=None)
    (old,) = db.execute("SELECT id FROM runs ORDER BY created_at DESC LIMIT 1").fetchone()
    db.execute("UPDATE runs SET id = ?, parent_id = ? WHERE id = ?", (new, parent, old))
    db.execute("UPDATE journal SET run_id = ? WHERE run_id = ?", (new, old))
    db.close()


@pytest.mark.usefixtures("family")
def test_prune(shell: Shell) -> None:
    for _ in range(3):
        shell("run", "family:sums of sums")
    ids = [run["run_id"] for run in json.loads(shell("runs", "list", "--json").stdout)]
    assert shell("runs", "prune", "--older-than", "30d").stdout == "0 runs pruned\n"
    done = shell("runs", "prune", "--older-than", "1ms", "--keep", ids[1], "--json")
    assert json.loads(done.stdout) == {"pruned": 6}
    assert list_workflow_names(shell, "--children") == ["sums", "sums", "sums of sums"]
    assert shell("verify").returncode == 0
    assert shell("runs", "show", ids[0]).returncode == 3


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ([], 2),
        (["--older-than", "1s", "--keep", "nobody"], 3),
        *((["--older-than", age], 2) for age in ("soon", "0", "30", " 30 ", "0d", "-1d", "1.5d", "1w", "40000d")),
    ],
)
def test_nothing_is_pruned_by_mistake(shell: Shell, options: list[str], code: int) -> None:
    shell("run", "flows:sums")
    assert shell("runs", "prune", *options).returncode == code
    assert list_workflow_names(shell) == ["sums"]


@pytest.mark.parametrize("command", READ_ONLY_COMMANDS)
def test_a_database_that_is_not_there_is_not_made(shell: Shell, command: list[str]) -> None:
    done = shell(*command)
    assert done.returncode == 3
    assert "there is no database" in done.stderr
    assert not list(shell.home.glob("*.db*"))
    assert shell(*command, "--database", "memory://").returncode == 2


@pytest.mark.parametrize("command", READ_ONLY_COMMANDS)
def test_somebody_elses_file_stays_as_it_is(shell: Shell, command: list[str]) -> None:
    path = shell.home / "holdwater.db"
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


def test_reading_commands_execute_nothing(shell: Shell) -> None:
    process = shell.start("run", "flows:waits")
    shell.wait_until((shell.home / "blocked").exists, process)
    process.kill()
    process.wait()
    before = shell.read_effects()
    shell.release_tasks()
    (run,) = json.loads(shell("runs", "list", "--json").stdout)
    assert run["status"] == "Running"
    shown = json.loads(shell("runs", "show", run["run_id"], "--json").stdout)
    assert shown["tasks"][0]["status"] == "Completed"
    assert shown["tasks"][2]["status"] == "Pending"
    assert shell("verify").returncode == 0
    assert shell.read_effects() == before


def test_graphs(shell: Shell) -> None:
    text = shell("graph", "flows:waits")
    assert text.returncode == 0
    assert "two  <- one" in text.stdout
    assert "<- two" in text.stdout
    mermaid = shell("graph", "flows:waits", "--format", "mermaid")
    assert mermaid.returncode == 0
    assert mermaid.stdout.startswith("flowchart TD\n")
    assert "-->" in mermaid.stdout
    assert shell("graph", "flows:nothing").returncode == 3
    assert not list(shell.home.glob("*.db*"))


def test_commands_in_hints_name_the_database(shell: Shell) -> None:
    shell("run", "flows:sums", "--database", "sqlite:///other.db")
    unknown = shell("runs", "show", "ffffffff", "--database", "sqlite:///other.db")
    assert unknown.returncode == 3
    assert "`holdwater runs list --database sqlite:///other.db` shows the runs" in unknown.stderr
    shell("run", "flows:sums")
    assert "`holdwater runs list` shows the runs" in shell("runs", "show", "ffffffff").stderr
