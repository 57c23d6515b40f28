"""Commands that messages name as the next step: each is complete, and does what is said when it is copied."""

from __future__ import annotations

import re
import shlex

import pytest

from tests.cli.conftest import Shell

ASKING_MODULE = """
from holdwater import Graph, interrupt, node, register_graph

@interrupt(answer_name="yes", response_type=bool)
def ask(topic: str) -> str:
    return f"{topic}?"

@interrupt(answer_name="more", response_type=str)
def ask_more(topic: str) -> str:
    return f"{topic}?"

@node(output_name="end")
def end(yes: bool, more: str) -> str:
    return f"{yes} {more}"

register_graph(Graph([ask, ask_more, end], name="asks"))
"""


def find_commands(text: str) -> list[list[str]]:
    """The commands of a text, as a shell would split them."""
    found = re.findall(r"(holdwater (?:runs? )[^`\n]*?)(?:`| shows the traceback|$)", text, re.MULTILINE)
    return [shlex.split(one)[1:] for one in found]


def single_command(text: str, *beginning: str) -> list[str]:
    """The only command of a text that begins so."""
    (one,) = (words for words in find_commands(text) if words[: len(beginning)] == list(beginning))
    return one


@pytest.fixture(params=[(), ("--database", "sqlite:///other.db")], ids=["default", "another"])
def where(request: pytest.FixtureRequest, shell: Shell) -> tuple[str, ...]:
    (shell.home / "asks.py").write_text(ASKING_MODULE)
    return tuple(request.param)


def test_questions_and_answers(shell: Shell, where: tuple[str, ...]) -> None:
    asked = shell("run", "asks:asks", "--context", '{"topic": "rain"}', *where)
    answer = single_command(asked.stdout, "runs", "answer")
    assert answer[-1] == "ANSWER"
    first = shell(*answer[:-1], "no")
    assert first.returncode == 0, first.stderr
    shown = shell(*single_command(first.stdout, "runs", "show"))
    assert "waits for ask_more" in shown.stdout, shown.stderr
    last = shell(*answer[:3], "--pause", "ask_more", *where, "snow")
    go_on = single_command(last.stdout, "run")
    done = shell(*[word.replace("MODULE", "asks") for word in go_on])
    assert "end = 'False snow'" in done.stdout, done.stderr


def test_failures_and_retries(shell: Shell, where: tuple[str, ...]) -> None:
    failed = shell("run", "flows:fails", *where)
    assert "traceback of broken" in shell(*single_command(failed.stdout, "runs", "show")).stdout
    run_id = failed.stdout.split()[1]
    earlier = shell("run", "flows:fails", "--resume", run_id, *where)
    retried = shell(*single_command(earlier.stdout, "runs", "retry"))
    assert retried.returncode == 0, retried.stderr
    again = shell(*single_command(earlier.stdout, "run"))
    assert "2 attempts" in again.stdout, again.stderr


def test_pauses(shell: Shell, where: tuple[str, ...]) -> None:
    left = shell.start("run", "flows:waits", "--key", "k", *where)
    shell.wait_until((shell.home / "blocked").exists, left)
    left.kill()
    left.wait()
    paused = shell("runs", "pause", "@last", *where)
    resume = single_command(paused.stdout, "runs", "resume")
    seen = shell("run", "flows:waits", "--key", "k", *where)
    assert seen.returncode == 4
    resumed = shell(*resume)
    assert resumed.returncode == 0, resumed.stderr
    shell.release_tasks()
    assert shell(*single_command(seen.stdout, "run")).returncode == 0
    assert shell.read_effects() == ["one", "two", "two", "three"]


def test_the_variable_is_not_relied_on(shell: Shell) -> None:
    """A command is often copied into another terminal."""
    for name in ("other.db", "holdwater.db"):
        shell.environment["HOLDWATER_DATABASE"] = f"sqlite:///{name}"
        failed = shell("run", "flows:fails")
        shell.environment["HOLDWATER_DATABASE"] = "sqlite:///elsewhere.db"
        shown = shell(*single_command(failed.stdout, "runs", "show"))
        assert "traceback of broken" in shown.stdout, shown.stderr
