"""`holdwater runs answer`: answers that are checked and converted without the code, and once more where the code is."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import Shell
from tests.suite.effort import sample_cases

MODULE = '''
import datetime as dt
import enum
import json
from dataclasses import dataclass, field

from holdwater.graphs import Graph, InterruptNode, interrupt, node, register_graph


class Size(enum.Enum):
    SMALL = "small"
    LARGE = "large"


@dataclass
class Reply:
    approved: bool
    size: Size = Size.SMALL
    until: dt.date | None = None
    notes: list[str] = field(default_factory=list)


class Opaque:
    """JSON Schema has no word for it, so that only this code can judge it."""


def asks(name, kind):
    @interrupt(answer_name="answer", response_type=kind, name="ask")
    def ask(total: int) -> str:
        return f"pay {total}?"

    @node(output_name="seen")
    def see(answer: kind) -> str:
        with open("effects.log", "a") as log:
            log.write("see\\\\n")
        return repr(answer)

    return register_graph(Graph([ask, see], name=name))


asks("yes or no", bool)
asks("text", str)
asks("number", int)
asks("choice", Size)
asks("reply", Reply)
asks("opaque", Opaque)
asks("dates", list[dt.date])


@node(output_name="seen")
def see_inner(answer: Reply) -> str:
    return repr(answer)


inner = Graph([InterruptNode("ask", "total", "answer", response_type=Reply)], name="inner")
register_graph(Graph([inner.as_node(), see_inner], name="nested"))
'''


@pytest.fixture
def asking(shell: Shell) -> Shell:
    (shell.home / "asking.py").write_text(MODULE)
    return shell


def run_until_paused(shell: Shell, name: str) -> None:
    assert shell("run", f"asking.py:{name}", "--context", '{"total": 27}').returncode == 4


def resume_and_get_seen(shell: Shell, name: str) -> str:
    done = shell("run", f"asking.py:{name}", "--resume", "@last", "--json")
    assert done.returncode == 0, done.stderr + done.stdout
    said: str = json.loads(done.stdout)["final_context"]["seen"]
    return said


@pytest.mark.parametrize(
    "case",
    sample_cases(3, [
        ("yes or no", "no", "False"),
        ("yes or no", "Yes", "True"),
        ("yes or no", "true", "True"),
        ("text", "no", "'no'"),
        ("text", "42", "'42'"),
        ("number", "42", "42"),
        ("choice", "large", "<Size.LARGE: 'large'>"),
        ("reply", '{"approved": false, "size": "large", "until": "2026-11-21"}', "Reply(approved=False, size=<Size.LARGE: 'large'>, until=datetime.date(2026, 11, 21), notes=[])"),  # noqa: E501
        ("dates", '["2026-11-21"]', "[datetime.date(2026, 11, 21)]"),
        ("nested", '{"approved": true, "notes": ["a"]}', "Reply(approved=True, size=<Size.SMALL: 'small'>, until=None, notes=['a'])"),  # noqa: E501
    ]),
)  # fmt: skip
def test_an_answer_becomes_what_the_code_asks_for(asking: Shell, case: tuple[str, str, str]) -> None:
    name, typed, value = case
    run_until_paused(asking, name)
    answered = asking("runs", "answer", "@last", typed)
    assert answered.returncode == 0, answered.stderr
    assert resume_and_get_seen(asking, name) == value
    assert asking("verify").returncode == 0


@pytest.mark.parametrize(
    "case",
    sample_cases(
        3,
        [
            ("yes or no", "maybe", "must be true or false, it is 'maybe'"),
            ("yes or no", "1", "must be true or false"),
            ("number", "many", "must be an integer"),
            ("choice", "huge", "must be one of 'small', 'large'"),
            ("reply", '{"aproved": true}', "lacks 'approved'"),
            ("reply", '{"approved": true, "until": "soon"}', "until must be a date"),
            ("dates", '["2026-11-21", "x"]', "[1] must be a date"),
            ("nested", '{"approved": "no"}', "approved must be true or false"),
        ],
    ),
)
def test_an_answer_of_a_wrong_type_is_refused(asking: Shell, case: tuple[str, str, str]) -> None:
    name, typed, said = case
    run_until_paused(asking, name)
    answered = asking("runs", "answer", "@last", typed)
    assert answered.returncode == 2
    assert said in answered.stderr
    assert json.loads(asking("runs", "show", "@last", "--json").stdout)["status"] == "Paused", (
        "it may be answered again"
    )
    assert not (asking.home / "effects.log").exists()


def test_the_list_says_which_answer_a_run_waits_for(asking: Shell) -> None:
    run_until_paused(asking, "number")
    (asked,) = json.loads(asking("questions", "--json").stdout)
    header, row, *_ = asking("runs", "list").stdout.splitlines()
    assert row[header.index("STATUS") :].startswith("Waits for an answer  ")
    assert row.endswith(f"waits for {asked['answer_name']}")
    assert asking("runs", "pause", "@last").returncode == 0
    header, row, *_ = asking("runs", "list").stdout.splitlines()
    assert row[header.index("STATUS") :].startswith("Paused  ")


def test_what_no_schema_can_judge_is_judged_by_the_code(asking: Shell) -> None:
    run_until_paused(asking, "opaque")
    assert asking("runs", "answer", "@last", '"x"').returncode == 0
    done = asking("run", "asking.py:opaque", "--resume", "@last", "--json")
    assert done.returncode == 1
    assert "AnswerError" in json.loads(done.stdout)["error_message"]
    assert "must be Opaque" in json.loads(done.stdout)["error_message"]
    assert not (asking.home / "effects.log").exists(), "the node was not called with it"
    assert json.loads(asking("runs", "show", "@last", "--json").stdout)["status"] == "Failed"


def test_the_question_is_shown_with_its_type(asking: Shell) -> None:
    done = asking("run", "asking.py:choice", "--context", '{"total": 27}')
    assert "waits for ask (one of 'small', 'large'): pay 27?" in done.stdout
    assert """waits for ask (one of 'small', 'large')""" in asking("runs", "show", "@last").stdout
    (pause,) = json.loads(asking("runs", "show", "@last", "--json").stdout)["pauses"]
    assert pause["answer_schema"] == {"enum": ["small", "large"]}


@pytest.mark.parametrize("which", [["--pause", "other"], ["--pause", "ask/0"], ["--pause", "inner/0/ask"]])
def test_what_fits_no_question_says_so(asking: Shell, which: list[str]) -> None:
    run_until_paused(asking, "nested")
    answered = asking("runs", "answer", "@last", '{"approved": true}', *which)
    assert answered.returncode == 2
    assert "no open question" in answered.stderr


def test_a_run_that_has_ended_has_no_pauses(asking: Shell) -> None:
    run_until_paused(asking, "yes or no")
    assert asking("runs", "answer", "@last", "no").returncode == 0
    again = asking("runs", "answer", "@last", "yes")
    assert again.returncode == 2
    assert "waits for no answer" in again.stderr
    assert resume_and_get_seen(asking, "yes or no") == "False"
    assert asking("runs", "answer", "@last", "yes").returncode == 2


def test_the_questions_of_all_runs_are_listed(asking: Shell) -> None:
    assert asking("run", "asking.py:yes or no", "--context", '{"total": 1}').returncode == 4
    assert asking("run", "asking.py:nested", "--context", '{"total": 2}').returncode == 4
    said = asking("questions")
    assert said.returncode == 0, said.stderr
    heading, newest, oldest, total, hint = said.stdout.splitlines()
    assert heading.split() == ["RUN", "WORKFLOW", "QUESTION", "WAITS", "ASKS", "ANSWER"]
    assert "nested" in newest
    assert "inner/ask" in newest
    assert newest.endswith("an object with approved, size, until, n…")
    assert "pay 1?" in oldest
    assert oldest.endswith("yes or no")
    assert total == "2 questions"
    assert hint == "answer with `holdwater runs answer RUN --pause QUESTION ANSWER`, in JSON or as text"
    listed = json.loads(asking("questions", "--json", "--oldest", "--limit", "1").stdout)
    assert [(one["pause_id"], one["value"], one["answer_schema"]) for one in listed] == [
        ("ask", "pay 1?", {"type": "boolean"})
    ]
    assert asking("questions", "--limit", "1").stdout.splitlines()[2] == "2 questions, 1 shown"
    assert asking("runs", "answer", oldest.split()[0], "--pause", "ask", "yes").returncode == 0
    assert [one["workflow_name"] for one in json.loads(asking("questions", "--json").stdout)] == ["nested"]
    assert asking("runs", "cancel", newest.split()[0]).returncode == 0
    assert asking("questions").stdout == "no questions\n"
