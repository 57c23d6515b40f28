"""Open questions of all runs of a database: in order, with the run people know them by, and no others."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from holdwater import Context, DefaultRunner, TaskHandle, WorkflowHandle
from holdwater.graphs import Graph, InterruptNode, node, register_graph
from holdwater.model.registry import registry
from holdwater.model.values import StoredValue
from holdwater.operations import OpenQuestion, count_questions, list_questions
from holdwater.operations.databases import Database, open_for_control, open_for_reading
from holdwater.operations.questions import question_text
from tests.suite.open_questions import assert_questions_are_recorded
from tests.suite.runners import SIGNAL_TIMEOUT_SECONDS, Define, Gate, define, gate, open_runner, runner, url
from tests.suite.waiting import poll_pause

__all__ = ["define", "gate", "open_runner", "runner", "url"]

Offer = Callable[[Graph], str]


@pytest.fixture
def offer() -> Iterator[Offer]:
    names: list[str] = []

    def offer_(graph: Graph) -> str:
        register_graph(graph)
        names.append(graph.name or "")
        return names[-1]

    yield offer_
    for name in names:
        registry.unregister(name)


@dataclass
class Review:
    approved: bool
    note: str = ""


def asking_graph(name: str, answer_type: Any = Review) -> Graph:
    return Graph([InterruptNode("ask", "draft", "verdict", answer_type)], name=name)


def until_paused(runner: DefaultRunner, name: str, **given: Any) -> WorkflowHandle:
    handle = runner.submit(name, given)
    handle.result(SIGNAL_TIMEOUT_SECONDS)
    return handle


def database_of(runner: DefaultRunner) -> Database:
    return Database.of(runner._engine)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("publish?\n\n  It is late", "publish? It is late"),
        ({"question": "Pay this back?", "amount": 950, "items": [1, "a"]},
         "question: Pay this back?, amount: 950, items: [1, 'a']"),
        ({}, "{}"),
        ((1, 2), "(1, 2)"),
        ("x" * 60, "x" * 60),
        ("x" * 61, "x" * 59 + "…"),
        ("x" * 1000, "x" * 59 + "…"),
        ({"a": "x" * 57}, "a: " + "x" * 57),
        ({"a": "x" * 57, "b": 1}, "a: " + "x" * 56 + "…"),
        ({str(k): k for k in range(100)}, ", ".join([f"{k}: {k}" for k in range(11)])[:59] + "…"),
    ],
)  # fmt: skip
def test_a_question_in_one_line(value: Any, text: str) -> None:
    assert question_text(StoredValue.encode(value), 60) == text


def test_a_question_without_a_value_has_no_text() -> None:
    assert question_text(None, 60) == ""


def open_questions(runner: DefaultRunner, **options: Any) -> list[OpenQuestion]:
    """All questions; each is found in its run by the id that is given."""
    questions = list(list_questions(database_of(runner), **options).questions)
    for one in questions:
        pause = runner._engine.reader.find_pause(one.run_id, one.pause_id)
        assert (pause.pause_id, pause.asking_run_id, pause.name) == (one.pause_id, one.asking_run_id, one.node)
    assert_questions_are_recorded(runner)
    return questions


def wait_for_questions(runner: DefaultRunner, count: int) -> list[OpenQuestion]:
    """Questions when there are so many and no fewer or more, which is soon."""
    while len(list_questions(database_of(runner)).questions) != count:
        poll_pause()
    return open_questions(runner)


def test_questions_of_all_runs_come_in_the_order_in_which_they_were_asked(runner: DefaultRunner, offer: Offer) -> None:
    name = offer(asking_graph("reviewed"))
    handles = [until_paused(runner, name, draft=f"draft {k}") for k in range(5)]
    newest = open_questions(runner)
    assert [one.run_id for one in newest] == [handle.run_id for handle in handles[::-1]]
    assert [one.value for one in newest] == [f"draft {k}" for k in (4, 3, 2, 1, 0)]
    one = newest[0]
    assert (one.workflow, one.pause_id, one.answer_name, one.node) == ("reviewed", "ask", "verdict", "ask")
    assert one.answer_schema is not None
    assert one.answer_schema["required"] == ["approved"]
    assert one.since > newest[1].since
    assert [q.value for q in open_questions(runner, newest_first=False)] == [f"draft {k}" for k in range(5)]

    database = database_of(runner)
    page = list_questions(database, limit=2)
    assert page.next_cursor is not None
    rest = list_questions(database, limit=10, after=page.next_cursor)
    assert [*page.questions, *rest.questions] == newest
    assert rest.next_cursor is None

    handles[3].answer("ask", Review(True))
    handles[1].cancel()
    assert [one.value for one in open_questions(runner)] == ["draft 4", "draft 2", "draft 0"]
    assert count_questions(database).count == 3
    assert (count_questions(database, limit=2).count, count_questions(database, limit=2).has_more) == (2, True)
    handles[1].retry()
    assert wait_for_questions(runner, 4)[0].value == "draft 1", "asked anew"


def test_a_run_that_goes_on_may_ask_too(runner: DefaultRunner, offer: Offer, gate: Gate) -> None:
    @node(output_name="slow")
    def slow(draft: str) -> str:
        gate()
        return draft

    name = offer(Graph([*asking_graph("x").nodes.values(), slow], name="busy"))
    handle = runner.submit(name, {"draft": "d"})
    gate.wait_started()
    wait_for_questions(runner, 1)
    assert handle.status == "Running"
    handle.answer("ask", Review(True))
    assert open_questions(runner) == []
    gate.open.set()
    handle.result(SIGNAL_TIMEOUT_SECONDS)


def test_questions_of_child_runs_are_those_of_the_run_that_waits(
    runner: DefaultRunner, offer: Offer, define: Define
) -> None:
    low = asking_graph("low", int)
    twice = Graph([low.as_node(name="low")], name="twice").as_node(name="mid")
    twice = twice.rename_inputs(draft="one_draft").rename_outputs(verdict="one_verdict")
    mapped = low.as_node(name="all").map_over("draft", on_pause="item").rename_outputs(verdict="verdicts")
    handle = until_paused(runner, offer(Graph([twice, mapped], name="inside")), one_draft="x", draft=["p", "q"])
    found = open_questions(runner)
    assert {(one.run_id, one.workflow) for one in found} == {(handle.run_id, "inside")}
    assert {one.pause_id: one.value for one in found} == {"mid/low/ask": "x", "all/0/ask": "p", "all/1/ask": "q"}
    handle.answer("all/1/ask", 2)
    assert {one.pause_id for one in open_questions(runner)} == {"mid/low/ask", "all/0/ask"}
    handle.cancel()
    wait_for_questions(runner, 0)  # its children are cancelled by themselves

    child = offer(low)

    def call(n: int) -> Callable[[Context, TaskHandle], None]:
        def body(context: Context, handle: TaskHandle) -> None:
            context[f"v{n}"] = handle.execute(child, {"draft": f"draft {n}"}).final_context["verdict"]

        return body

    define("caller", ("a", call(1), {}), ("b", call(2), {}))
    parent = runner.submit("caller", {})
    found = wait_for_questions(runner, 2)
    assert {one.run_id for one in found} == {parent.run_id}
    assert {one.pause_id for one in found} == {f"{one.asking_run_id}/ask" for one in found}
    for one in found:
        runner.answer(one.run_id, one.pause_id, 7)
    assert parent.result(SIGNAL_TIMEOUT_SECONDS).status == "Completed"
    assert open_questions(runner) == []


def test_one_child_that_a_task_waits_for_is_known_by_its_workflow(
    runner: DefaultRunner, offer: Offer, define: Define
) -> None:
    child = offer(asking_graph("low", int))

    def body(context: Context, handle: TaskHandle) -> None:
        context["v"] = handle.execute(child, {"draft": "d"}).final_context["verdict"]

    define("caller", ("a", body, {}))
    parent = runner.submit("caller", {})
    found = wait_for_questions(runner, 1)
    assert [(one.run_id, one.pause_id) for one in found] == [(parent.run_id, "low/ask")]
    runner.answer(parent.run_id, "low/ask", 1)
    assert parent.result(SIGNAL_TIMEOUT_SECONDS).final_context["v"] == 1


def test_a_process_without_the_code_lists_and_answers(url: str, runner: DefaultRunner, offer: Offer) -> None:
    handle = until_paused(runner, offer(asking_graph("reviewed")), draft="d")
    with open_for_reading(url) as database:
        (one,) = list_questions(database).questions
        assert count_questions(database).count == 1
    with open_for_control(url) as engine:
        pause = engine.reader.find_pause(one.run_id, one.pause_id)
        engine.control.submit_answer(pause, {"approved": True})
    handle.result(SIGNAL_TIMEOUT_SECONDS)
    assert open_questions(runner) == []


def test_a_run_that_cannot_be_read_does_not_hide_the_questions_of_others(
    tmp_path: Any, open_runner: Callable[..., DefaultRunner], offer: Offer, url: str
) -> None:
    if not url.startswith("sqlite"):
        pytest.skip("the file is damaged by hand")
    runner = open_runner()
    name = offer(asking_graph("reviewed"))
    broken, fine = (until_paused(runner, name, draft=k) for k in "ab")
    with sqlite3.connect(f"{tmp_path}/runs.db") as connection:
        connection.execute("UPDATE journal SET entries = '[[\"future\"]]' WHERE run_id = ?", (broken.run_id,))
    connection.close()
    with open_for_reading(url) as database:
        first, second = list_questions(database).questions
    assert (first.run_id, first.problem, first.value) == (fine.run_id, "", "b")
    assert (second.run_id, second.workflow, second.value) == (broken.run_id, "reviewed", None)
    assert "cannot read" in second.problem


def test_what_another_version_left_is_not_listed(runner: DefaultRunner, offer: Offer, url: str, tmp_path: Any) -> None:
    if not url.startswith("sqlite"):
        pytest.skip("the file is changed by hand")
    name = offer(asking_graph("reviewed"))
    answered, left = (until_paused(runner, name, draft=k) for k in "ab")
    answered.answer("ask", Review(True))
    answered.result(SIGNAL_TIMEOUT_SECONDS)
    with sqlite3.connect(f"{tmp_path}/runs.db") as connection:
        rows = [(answered.run_id, 0, 1, 1), (answered.run_id, 99, 1, 2), (left.run_id, 99, 1, 3)]
        connection.executemany("INSERT INTO questions VALUES (?, ?, ?, ?)", rows)
    connection.close()
    page = list_questions(database_of(runner), limit=1, newest_first=False)
    assert [one.value for one in page.questions] == ["b"]


def test_questions_from_before_they_had_a_table_are_found(
    url: str, open_runner: Callable[..., DefaultRunner], offer: Offer
) -> None:
    first = open_runner()
    name = offer(asking_graph("reviewed"))
    answered, left = (until_paused(first, name, draft=k) for k in ("\0 answered", "left \0"))
    answered.answer("ask", Review(True))
    answered.result(SIGNAL_TIMEOUT_SECONDS)
    (since,) = [one.since for one in open_questions(first)]
    first.shutdown()
    forget = "DROP TABLE questions; DELETE FROM schema_version WHERE number = 6;"
    if url.startswith("sqlite"):
        connection = sqlite3.connect(url.removeprefix("sqlite:///"))
        connection.executescript(f"DROP TRIGGER questions_of_deleted_runs; {forget}")
        connection.close()
    else:
        with psycopg.connect(url, autocommit=True) as session:
            session.execute(forget)
    second = open_runner()
    assert [(one.run_id, one.value, one.since) for one in open_questions(second)] == [(left.run_id, "left \0", since)]
