"""`holdwater run`: targets, contexts, output, exit codes."""

from __future__ import annotations

import json
import sqlite3

import pytest

from tests.cli.conftest import Shell

PARENT_MODULE = """
import flows
from holdwater import WorkflowBuilder, task

with WorkflowBuilder("parent"):

    @task()
    def start(context, handle):
        context["child"] = handle.execute("waits").status
"""


def test_a_run_completes_and_says_so(shell: Shell) -> None:
    done = shell("run", "flows:sums", "--context", '{"x": 4}')
    assert done.returncode == 0, done.stderr
    assert "first" in done.stdout
    assert "Completed" in done.stdout
    assert "  y = 10\n" in done.stdout
    assert "\x1b" not in done.stdout


def test_json_is_one_object_whatever_bodies_print(shell: Shell) -> None:
    done = shell("run", "flows.py:sums", "--json")
    assert done.returncode == 0
    run = json.loads(done.stdout)
    assert run["status"] == "Completed"
    assert run["final_context"] == {"x": 2, "y": 4}
    assert [t["task_name"] for t in run["tasks"]] == ["first", "second"]
    assert "a user's print" in done.stderr


def test_a_failed_run_is_1(shell: Shell) -> None:
    done = shell("run", "flows:fails")
    assert done.returncode == 1
    assert r"ValueError: no [red]luck[/red] \x1b]0;owned\x07 …" in done.stdout, "a line of the table"
    assert "ValueError: no [red]luck[/red] \\x1b]0;owned\\x07\n  second line\n" in done.stdout, "the end"
    assert "upstream failed: broken" in done.stdout
    assert "\x1b" not in done.stdout + done.stderr
    assert json.loads(shell("run", "flows:fails", "--json").stdout)["status"] == "Failed"


def test_a_run_that_takes_too_long_is_1(shell: Shell) -> None:
    done = shell("run", "flows:waits", "--timeout", "0.3")
    assert done.returncode == 1
    assert "TIMEOUT" in done.stdout


@pytest.mark.parametrize("target", ["flows:nothing", "nowhere:sums", "nowhere.deep:sums", "missing.py:sums"])
def test_what_is_not_there_is_3(shell: Shell, target: str) -> None:
    done = shell("run", target)
    assert done.returncode == 3
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    assert not (shell.home / "holdwater.db").exists()


def test_the_name_may_be_left_out_if_there_is_one(shell: Shell) -> None:
    done = shell("run", "flows")
    assert done.returncode == 2
    assert "registers 3 workflows: fails, sums, waits" in done.stderr
    (shell.home / "single.py").write_text(
        "from holdwater import WorkflowBuilder, task\nwith WorkflowBuilder('only'):\n"
        "    @task()\n    def go(context): context['ok'] = True\n"
    )
    assert shell("run", "single").returncode == 0
    (shell.home / "none.py").write_text("")
    assert shell("run", "none").returncode == 3


def test_a_workflow_is_found_by_its_variable_too(shell: Shell) -> None:
    (shell.home / "variable.py").write_text(
        "from holdwater import WorkflowBuilder, task\n"
        "with WorkflowBuilder('other_name') as builder:\n"
        "    @task()\n    def go(context): context['ok'] = True\n"
        "mine = builder.build()\n"
    )
    done = shell("run", "variable:mine", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["workflow_name"] == "other_name"


def test_a_context_from_file_and_standard_input(shell: Shell) -> None:
    (shell.home / "context.json").write_text('{"x": 10}')
    for name in ("@context.json", "context.json"):
        assert '"y": 22' in shell("run", "flows:sums", "--json", "--context", name).stdout
    assert '"y": 202' in shell("run", "flows:sums", "--json", "--context", "-", stdin='{"x": 100}').stdout


INVALID_CONTEXTS = [
    *("{x", "[1]", "1", '"x"', "", "nowhere", "nowhere.json", "@nowhere.json", "@", "@.", "x" * 5000, "latin.json"),
    *('{"x": NaN}', '{"x": {"$t": "nobody", "v": 1}}'),
]


@pytest.mark.parametrize("context", INVALID_CONTEXTS)
def test_a_context_that_cannot_be_used_is_2(shell: Shell, context: str) -> None:
    (shell.home / "latin.json").write_bytes('{"x": "é"}'.encode("latin-1"))
    taken = ("run", "flows:sums"), ("schedules", "add", "w", "@daily", "--allow-unknown")
    for command in taken if len(context) < 5 else taken[:1]:
        done = shell(*command, "--context", context)
        assert done.returncode == 2
        assert done.stderr.startswith(f"error: --context {context[:90]}"), done.stderr
        assert "  hint: " in done.stderr
        assert not (shell.home / "holdwater.db").exists()


@pytest.mark.parametrize(
    ("module", "said"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero (bad.py, line 1)"),
        ("import nowhere_else", "ModuleNotFoundError"),
        ("def", "SyntaxError"),
        ("raise SystemExit(0)", "SystemExit"),
    ],
)
def test_a_module_that_cannot_be_imported_is_2_and_short(shell: Shell, module: str, said: str) -> None:
    (shell.home / "bad.py").write_text(module + "\n")
    done = shell("run", "bad:sums")
    assert done.returncode == 2
    assert said in done.stderr
    assert "hint: holdwater --debug" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Traceback" in shell("--debug", "run", "bad:sums").stderr
    shell.environment["HOLDWATER_DEBUG"] = "1"
    assert "Traceback" in shell("run", "bad:sums").stderr


@pytest.mark.parametrize(
    ("url", "code"), [("postgres://x", 2), ("holdwater.db", 2), ("sqlite:///no/such/directory/a.db", 2)]
)
def test_a_database_that_cannot_be_used(shell: Shell, url: str, code: int) -> None:
    done = shell("run", "flows:sums", "--database", url)
    assert done.returncode == code
    assert "hint: " in done.stderr


def test_a_database_that_somebody_keeps_locked_is_5(shell: Shell) -> None:
    assert shell("run", "flows:sums").returncode == 0
    other = sqlite3.connect(shell.home / "holdwater.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    done = shell("run", "flows:sums", "--database", "sqlite:///holdwater.db?_busy_timeout=50")
    other.close()
    assert done.returncode == 5
    assert "is locked" in done.stderr


def test_a_key_finds_the_run_that_has_it(shell: Shell) -> None:
    first = json.loads(shell("run", "flows:sums", "--key", "k", "--json").stdout)
    again = shell("run", "flows:sums", "--key", "k", "--json")
    assert again.returncode == 0
    assert json.loads(again.stdout)["run_id"] == first["run_id"]
    assert "a user's print" not in again.stderr
    other = shell("run", "flows:sums", "--key", "k", "--context", '{"x": 9}')
    assert other.returncode == 2
    assert "another context" in other.stderr
    assert "--resume" in other.stderr


def test_resume_takes_a_prefix_and_nothing_else(shell: Shell) -> None:
    run_id = json.loads(shell("run", "flows:sums", "--json").stdout)["run_id"]
    done = shell("run", "flows:sums", "--resume", run_id[:13], "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["run_id"] == run_id
    assert shell("run", "flows:sums", "--resume", "ffff").returncode == 3
    assert shell("run", "flows:sums", "--resume", run_id, "--key", "k").returncode == 2


def test_resume_knows_the_workflow_of_its_run(shell: Shell) -> None:
    run_id = json.loads(shell("run", "flows:sums", "--json").stdout)["run_id"]
    for other in ("flows:fails", "flows.py:waits"):
        done = shell("run", other, "--resume", "@last")
        assert done.returncode == 2
        assert done.stderr.startswith(f"error: run {run_id} is one of workflow 'sums', not of ")
        assert done.stdout == ""
    for target in ("flows", "flows.py", "flows:sums"):
        done = shell("run", target, "--resume", "@last")
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(f"run {run_id} of sums\n")


@pytest.mark.parametrize(("workflow", "is_failed"), [("sums", False), ("fails", True)])
@pytest.mark.parametrize("again", [("--key", "k"), ("--resume", "@last")])
def test_a_run_that_had_ended_is_not_shown_as_executed(
    shell: Shell, workflow: str, is_failed: bool, again: tuple[str, str]
) -> None:
    first = shell("run", f"flows:{workflow}", "--key", "k").stdout
    assert "nothing was executed" not in first
    done = shell("run", f"flows:{workflow}", *again).stdout
    assert "it was executed earlier" in done
    assert "nothing was executed now" in done
    assert ("holdwater runs retry" in done) is is_failed


def test_a_run_that_is_finished_by_this_command_is_shown_as_executed(shell: Shell) -> None:
    left = shell.start("run", "flows:waits", "--key", "k")
    shell.wait_until((shell.home / "blocked").exists, left)
    left.kill()
    left.wait()
    shell.release_tasks()
    done = shell("run", "flows:waits", "--key", "k").stdout
    assert "Completed after" in done
    assert "nothing was executed" not in done


@pytest.mark.parametrize("command", [("run", "flows:sums"), ("runs", "show", "@last")])
def test_typed_alone_is_refused(shell: Shell, command: tuple[str, ...]) -> None:
    done = shell(*command, "--typed")
    assert done.returncode == 2
    assert "--typed goes with --json" in done.stderr
    assert not (shell.home / "holdwater.db").exists()


@pytest.mark.parametrize("seconds", ["0", "-1", "1e99", "nan", "soon"])
def test_a_time_out_that_is_none(shell: Shell, seconds: str) -> None:
    assert shell("run", "flows:sums", "--timeout", seconds).returncode == 2
    assert not (shell.home / "holdwater.db").exists()


def test_a_run_in_memory_leaves_nothing(shell: Shell) -> None:
    assert shell("run", "flows:sums", "--database", "memory://").returncode == 0
    assert not list(shell.home.glob("*.db*"))


def test_the_key_of_a_run_that_failed_names_the_failure_and_retry(shell: Shell) -> None:
    assert "earlier" not in shell("run", "flows:fails", "--key", "k").stdout
    again = shell("run", "flows:fails", "--key", "k")
    assert again.returncode == 1
    first = again.stdout.splitlines()[0]
    assert "an earlier run with this key" in first
    assert "nothing was executed now" in again.stdout
    commands = [line.split() for line in again.stdout.splitlines() if line.strip().startswith("holdwater run")]
    assert [command[1:3] for command in commands] == [["runs", "retry"], ["run", "flows:fails"]]
    for command in commands:
        shell(*command[1:])
    shown = json.loads(shell("runs", "show", "@last", "--json").stdout)
    assert shown["status"] == "Failed"
    assert shown["tasks"][0]["attempt_count"] == 2, "it was really tried again"
    good = [shell("run", "flows:sums", "--key", "k").stdout for _ in range(2)]
    assert "an earlier run with this key" in good[1]
    assert "retry" not in good[1]


def test_only_its_own_run_is_executed(shell: Shell) -> None:
    left = shell.start("run", "flows:waits")
    shell.wait_until((shell.home / "blocked").exists, left)
    left.kill()
    left.wait()
    assert shell("run", "flows:sums").returncode == 0
    assert shell("run", "flows:sums", "--key", "k").returncode == 0
    assert shell.read_effects() == ["one", "two"], "what another run has left is not executed"
    (other,) = (r for r in json.loads(shell("runs", "list", "--json").stdout) if r["workflow_name"] == "waits")
    assert other["status"] == "Running"
    assert other["activity"].startswith("orphaned")
    shell.release_tasks()
    assert shell("run", "flows:waits", "--resume", other["run_id"]).returncode == 0
    assert shell.read_effects() == ["one", "two", "two", "three"]


def test_the_children_of_a_run_are_its_own(shell: Shell) -> None:
    (shell.home / "family.py").write_text(PARENT_MODULE)
    parent = shell.start("run", "family.py:parent", "--key", "k")
    shell.wait_until((shell.home / "blocked").exists, parent)
    parent.kill()
    parent.wait()
    shell.release_tasks()
    done = shell("run", "family.py:parent", "--key", "k", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["final_context"] == {"child": "Completed"}
    assert shell.read_effects() == ["one", "two", "two", "three"]


def test_an_executor_it_does_not_have(shell: Shell) -> None:
    (shell.home / "placed.py").write_text(
        "from holdwater import WorkflowBuilder, task\nwith WorkflowBuilder('placed'):\n"
        "    @task(executor='cpu')\n    def go(context): context['ok'] = True\n"
    )
    done = shell("run", "placed.py")
    assert done.returncode == 2
    assert "asks for the executor 'cpu'" in done.stderr
    assert "`holdwater run` has the default executor only" in done.stderr


def test_a_key_of_a_run_that_another_process_executes_names_the_process(shell: Shell) -> None:
    first = shell.start("run", "flows:waits", "--key", "k")
    shell.wait_until((shell.home / "blocked").exists, first)
    second = shell.start("run", "flows:waits", "--key", "k")
    assert second.stdout is not None
    line = second.stdout.readline()
    assert "an earlier run with this key, which is running on " in line
    assert line.rstrip().endswith(f":{first.pid}")
    shell.release_tasks()
    assert (first.wait(60), second.wait(60)) == (0, 0)


def test_the_question_of_a_child_run_is_printed(shell: Shell) -> None:
    (shell.home / "asks.py").write_text(
        "from holdwater import Graph, WorkflowBuilder, interrupt, node, register_graph, task\n"
        "@interrupt(answer_name='approved', response_type=bool)\ndef review(text: str) -> str: return f'ship {text}?'\n"
        "@node(output_name='done')\ndef close(approved: bool) -> str: return str(approved)\n"
        "register_graph(Graph([review, close], name='child'))\n"
        "with WorkflowBuilder('parent'):\n"
        "    @task()\n    def call(context, handle):\n"
        "        context['answer'] = handle.execute('child', {'text': 'it'}).final_context['done']\n"
    )
    process = shell.start("run", "asks.py:parent")
    assert process.stdout is not None
    said = iter(process.stdout)
    assert any("waits for child/review (yes or no): ship it?" in line for line in said)
    command = next(said)
    assert "holdwater runs answer" in command
    answered = shell("runs", "answer", "@last", "yes")
    assert answered.returncode == 0, answered.stderr
    assert any("answer = 'True'" in line for line in said)
    assert process.wait(60) == 0


def test_a_module_that_defines_a_wrong_workflow_is_told_where(shell: Shell) -> None:
    (shell.home / "wrong.py").write_text(
        "from holdwater import WorkflowBuilder, task\n\n\nwith WorkflowBuilder('w'):\n"
        "    @task(dependencies=['nothing'])\n    def go(context): pass\n"
    )
    done = shell("run", "wrong.py")
    assert done.returncode == 2
    assert "module 'wrong.py' cannot be used: " in done.stderr
    assert "(wrong.py, line 4)" in done.stderr
    assert "hint: " in done.stderr
