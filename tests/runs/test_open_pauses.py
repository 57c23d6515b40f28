"""Questions of runs: found, answered in any order and by anybody, once each, and kept."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from holdwater import Context, DefaultRunner, TaskHandle, WorkflowHandle
from holdwater.errors import AnswerError, EncodingError, InvalidTransition, PauseNotFound, RunNotFound
from holdwater.graphs import END, Graph, InterruptNode, interrupt, node, register_graph, route
from holdwater.model.registry import registry
from holdwater.runs.verify.checker import StoreChecker
from holdwater.runtime.clock import SystemClock
from holdwater.steps import Step, Workflow, register_workflow
from tests.suite.open_questions import assert_questions_are_recorded
from tests.suite.runners import SIGNAL_TIMEOUT_SECONDS, Define, Gate
from tests.suite.waiting import poll_pause

RegisterGraph = Callable[[Graph], str]


@dataclass
class Reply:
    approved: bool


@pytest.fixture
def offer() -> Iterator[RegisterGraph]:
    """Registers a graph for the time of the test; gives its name."""
    names: list[str] = []

    def offer_(graph: Graph) -> str:
        register_graph(graph)
        assert graph.name is not None
        names.append(graph.name)
        return graph.name

    yield offer_
    for name in names:
        registry.unregister(name)


def run_until_paused(runner: DefaultRunner, name: str, **given: Any) -> WorkflowHandle:
    """A run that has come to rest."""
    handle = runner.submit(name, given)
    handle.result(SIGNAL_TIMEOUT_SECONDS)
    return handle


def open_pause_ids(handle: WorkflowHandle) -> list[str]:
    return [pause.pause_id for pause in handle.pauses()]


def assert_no_violations(runner: DefaultRunner) -> None:
    store = runner._engine.store
    assert [str(v) for v in StoreChecker(store, SystemClock().now).find_violations()] == []
    assert_questions_are_recorded(runner)


def graph_with_three_pauses(ran: list[str]) -> Graph:
    def ask(name: str) -> InterruptNode[..., Any]:
        @interrupt(answer_name=f"{name}_said", response_type=int, name=name)
        def asking(x: int) -> str:
            ran.append(name)
            return f"{name} {x}?"

        return asking

    @node(output_name="total")
    def total(a_said: int, b_said: int, c_said: int) -> int:
        ran.append("total")
        return a_said + 10 * b_said + 100 * c_said

    return Graph([ask("a"), ask("b"), ask("c"), total], name="three")


@pytest.mark.parametrize("order", list(itertools.permutations("abc")), ids="".join)
def test_parallel_questions_are_answered_in_any_order(
    order: tuple[str, ...], runner: DefaultRunner, offer: RegisterGraph
) -> None:
    ran: list[str] = []
    handle = run_until_paused(runner, offer(graph_with_three_pauses(ran)), x=7)
    assert handle.status == "Paused"
    assert [(p.pause_id, p.answer_name, p.value) for p in handle.pauses()] == [
        ("a", "a_said", "a 7?"), ("b", "b_said", "b 7?"), ("c", "c_said", "c 7?")
    ]  # fmt: skip
    left = list("abc")
    for name in order:
        handle.answer(name, "abc".index(name) + 1)
        left.remove(name)
        assert open_pause_ids(handle) == left
    assert handle.result(SIGNAL_TIMEOUT_SECONDS).final_context["total"] == 321
    assert sorted(ran) == ["a", "b", "c", "total"]
    assert_no_violations(runner)


def test_what_fits_no_question_or_several(runner: DefaultRunner, offer: RegisterGraph) -> None:
    handle = run_until_paused(runner, offer(graph_with_three_pauses([])), x=7)
    with pytest.raises(PauseNotFound, match="no open question 'aa'") as refused:
        handle.answer("aa", 1)
    assert "did you mean 'a'?" in str(refused.value)
    with pytest.raises(PauseNotFound, match="several open questions") as refused:
        handle.answer(None, 1)
    assert "'a', 'b', 'c'" in str(refused.value)
    handle.answer("b_said", 2)
    with pytest.raises(PauseNotFound, match="no open question 'b'"):
        handle.answer("b", 2)
    with pytest.raises(AnswerError, match="'a_said' to interrupt 'a' is 'one'"):
        handle.answer("a", "one")
    with pytest.raises(RunNotFound):
        runner.answer("nothing", "a", 1)
    assert open_pause_ids(handle) == ["a", "c"]
    handle.answer("a", 1)
    handle.answer(None, 3)
    assert handle.result(SIGNAL_TIMEOUT_SECONDS).final_context["total"] == 321
    with pytest.raises(PauseNotFound, match="waits for no answer"):
        handle.answer(None, 3)


def test_a_run_that_asks_says_that_it_waits_for_an_answer(runner: DefaultRunner, offer: RegisterGraph) -> None:
    handle = run_until_paused(runner, offer(graph_with_three_pauses([])), x=7)
    with pytest.raises(InvalidTransition, match="it waits for an answer"):
        handle.resume()
    with pytest.raises(InvalidTransition, match="or answer what it asks"):
        handle.retry()
    assert repr(handle.result()).endswith(f"{handle.run_id!r}, status='Paused', error=None)")
    handle.cancel()
    with pytest.raises(PauseNotFound, match="waits for no answer"):
        handle.answer("a", 1)


def graph_with_pause(answer_type: Any = None, name: str = "one") -> Graph:
    """Shows its draft, and goes on with the verdict."""

    @node(output_name="final")
    def use(verdict: Any) -> Any:
        return verdict

    return Graph([InterruptNode("ask", "draft", "verdict", answer_type), use], name=name)


def test_an_answer_that_cannot_be_stored_leaves_the_question_open(runner: DefaultRunner, offer: RegisterGraph) -> None:
    handle = run_until_paused(runner, offer(graph_with_pause()), draft="d")
    with pytest.raises(EncodingError):
        handle.answer(None, object())
    assert open_pause_ids(handle) == ["ask"]
    handle.answer(None, None)
    result = handle.result(SIGNAL_TIMEOUT_SECONDS)
    assert (result.status, result.final_context["final"]) == ("Completed", None)


def test_one_of_many_concurrent_answers_is_accepted(
    open_runner: Callable[..., DefaultRunner], offer: RegisterGraph
) -> None:
    runners = [open_runner() for _ in range(3)]
    name = offer(graph_with_pause())
    handle = run_until_paused(runners[0], name, draft="d")
    barrier = threading.Barrier(6)

    def say(k: int) -> int | None:
        barrier.wait(SIGNAL_TIMEOUT_SECONDS)
        try:
            runners[k % 3].answer(handle.run_id, "ask", k)
        except PauseNotFound:
            return None
        return k

    with ThreadPoolExecutor(6) as pool:
        heard = [k for k in pool.map(say, range(6)) if k is not None]
    assert len(heard) == 1
    assert handle.result(SIGNAL_TIMEOUT_SECONDS).final_context["final"] == heard[0]
    assert_no_violations(runners[0])


def test_questions_of_nested_graphs_and_items(runner: DefaultRunner, offer: RegisterGraph) -> None:
    low = graph_with_pause(name="low")
    twice = Graph([low.as_node(name="low")], name="twice").as_node(name="mid")
    twice = twice.rename_inputs(draft="one_draft").rename_outputs(verdict="one_verdict", final="one")
    mapped = low.as_node(name="all").map_over("draft", on_pause="item").rename_outputs(verdict="verdicts", final="many")
    handle = run_until_paused(
        runner, offer(Graph([twice, mapped], name="inside")), one_draft="x", draft=["p", "q", "r"]
    )
    assert [(p.pause_id, p.value) for p in handle.pauses()] == [
        ("mid/low/ask", "x"), ("all/0/ask", "p"), ("all/1/ask", "q"), ("all/2/ask", "r")
    ]  # fmt: skip
    with pytest.raises(PauseNotFound, match="several"):
        handle.answer("verdict", 0)
    for k, pause_id in enumerate(["all/2/ask", "mid/low/ask", "all/0/ask"]):
        handle.answer(pause_id, k)
        assert pause_id not in open_pause_ids(handle)
        with pytest.raises(PauseNotFound):
            handle.answer(pause_id, 99)
    handle.answer("verdict", 3)  # the only one left
    result = handle.result(SIGNAL_TIMEOUT_SECONDS)
    assert (result.final_context["one"], result.final_context["many"]) == (1, [2, 3, 0])
    assert_no_violations(runner)


def test_a_question_in_a_graph_that_a_step_runs(runner: DefaultRunner) -> None:
    register_workflow(
        Workflow(
            "steps",
            [
                Step.lambda_("first", lambda context, config: {"d": 1}),
                Step.pipeline("ask", graph_with_pause(int), params={"draft": "d"}),
                Step.lambda_("last", lambda context, config: {"said": context.get_output("ask", "final")}),
            ],
        )
    )
    try:
        handle = run_until_paused(runner, "steps")
        assert (handle.status, open_pause_ids(handle)) == ("Paused", ["ask/ask"])
        with pytest.raises(AnswerError):
            handle.answer(None, "text")
        handle.answer(None, 5)
        result = handle.result(SIGNAL_TIMEOUT_SECONDS)
        assert (result.status, result.final_context["last"]) == ("Completed", {"said": 5})
    finally:
        registry.unregister("steps")
    assert_no_violations(runner)


def graph_with_pause_in_loop(asked: list[int]) -> Graph:
    @interrupt(answer_name="word")
    def ask(words: list[str]) -> int:
        asked.append(len(words))
        return len(words)

    @node(output_name="words")
    def remember(words: list[str], word: str) -> list[str]:
        return [*words, word]

    @route(["ask", END])
    def more(words: list[str]) -> Any:
        return END if words[-1] == "bye" else "ask"

    return Graph([ask, remember, more], name="chat")


def test_a_question_of_a_child_that_a_task_waits_for(
    runner: DefaultRunner, offer: RegisterGraph, define: Define
) -> None:
    @interrupt(answer_name="ok", response_type=bool)
    def ask(n: int) -> str:
        return f"go on with {n}?"

    child = offer(Graph([ask], name="asking_child"))

    def first(context: Context, handle: TaskHandle) -> None:
        results = [handle.execute(child, {"n": n}) for n in context["ns"]]
        context["seen"] = [result.final_context["ok"] for result in results]

    define("parent", ("a", first, {}))
    handle = runner.submit("parent", {"ns": [1, 2]})
    while not handle.pauses():
        poll_pause()
    (pause,) = handle.pauses()
    assert (pause.pause_id, pause.value) == ("asking_child/ask", "go on with 1?")
    assert runner.find_run(pause.asking_run_id[-8:]).run_id == pause.asking_run_id, "found by the end of its id"
    with pytest.raises(PauseNotFound):
        runner.answer(handle.run_id, "asking_child/other", True)
    runner.answer(handle.run_id, None, True)
    while [pause.value for pause in handle.pauses()] != ["go on with 2?"]:
        poll_pause()
    runner.answer(handle.run_id, "asking_child/ask", False)
    result = handle.result(SIGNAL_TIMEOUT_SECONDS)
    assert result.final_context["seen"] == [True, False]
    assert handle.pauses() == []
    assert_no_violations(runner)


def test_questions_of_several_children_of_one_workflow(
    runner: DefaultRunner, offer: RegisterGraph, define: Define
) -> None:
    @interrupt(answer_name="ok", response_type=int)
    def ask(n: int) -> str:
        return f"{n}?"

    child = offer(Graph([ask], name="asking_child"))

    def body(n: int) -> Callable[[Context, TaskHandle], None]:
        def run(context: Context, handle: TaskHandle) -> None:
            context[f"seen{n}"] = handle.execute(child, {"n": n}).final_context["ok"]

        return run

    define("parents", ("a", body(1), {}), ("b", body(2), {}))
    handle = runner.submit("parents", {})
    while len(handle.pauses()) < 2:
        poll_pause()
    pauses = {pause.value: pause for pause in handle.pauses()}
    assert {pause.pause_id for pause in pauses.values()} == {f"{p.asking_run_id}/ask" for p in pauses.values()}
    runner.answer(handle.run_id, pauses["2?"].pause_id, 22)
    while len(handle.pauses()) > 1:
        poll_pause()
    runner.answer(handle.run_id, "asking_child/ask", 11)
    final = handle.result(SIGNAL_TIMEOUT_SECONDS).final_context
    assert (final["seen1"], final["seen2"]) == (11, 22)


def test_every_turn_of_a_loop_asks_once(runner: DefaultRunner, offer: RegisterGraph) -> None:
    asked: list[int] = []
    handle = run_until_paused(runner, offer(graph_with_pause_in_loop(asked)), words=[])
    for k, word in enumerate(["hello", "so", "bye"]):
        (pause,) = handle.pauses()
        assert (pause.value, asked) == (k, list(range(k + 1)))
        handle.answer(pause.pause_id, word)
        handle.result(SIGNAL_TIMEOUT_SECONDS)
    assert handle.result(SIGNAL_TIMEOUT_SECONDS).final_context["words"] == ["hello", "so", "bye"]
    with pytest.raises(PauseNotFound):
        handle.answer("ask", "again")
    assert asked == [0, 1, 2]
    assert_no_violations(runner)


def test_answers_do_not_wait_for_other_branches(runner: DefaultRunner, offer: RegisterGraph, gate: Gate) -> None:
    @node(output_name="slow")
    def slow(draft: str) -> str:
        gate()
        return draft

    name = offer(Graph([*graph_with_pause().nodes.values(), slow], name="busy"))
    handle = runner.submit(name, {"draft": "d"})
    gate.wait_started()
    while not handle.pauses():  # bounded by the test's time-out
        poll_pause()
    assert handle.status == "Running"
    handle.answer("ask", 1)
    assert handle.pauses() == []
    gate.open.set()
    assert handle.result(SIGNAL_TIMEOUT_SECONDS).final_context["final"] == 1


# -- other verbs


def test_a_paused_run_that_asks_is_answered_and_goes_on_when_it_is_resumed(
    runner: DefaultRunner, offer: RegisterGraph
) -> None:
    handle = run_until_paused(runner, offer(graph_with_pause()), draft="d")
    handle.pause("lunch")
    handle.answer("ask", 1)
    assert (handle.status, handle.pauses()) == ("Paused", [])
    handle.resume()
    assert handle.result(SIGNAL_TIMEOUT_SECONDS).final_context["final"] == 1
    handle = run_until_paused(runner, "one", draft="d")
    handle.pause("lunch")
    handle.resume()
    assert (handle.status, open_pause_ids(handle)) == ("Paused", ["ask"])
    with pytest.raises(InvalidTransition):
        handle.resume()
    handle.answer("ask", 2)
    assert handle.result(SIGNAL_TIMEOUT_SECONDS).final_context["final"] == 2
    assert_no_violations(runner)


def test_a_child_of_a_run_that_was_paused_is_answered(runner: DefaultRunner, offer: RegisterGraph) -> None:
    handle = run_until_paused(runner, offer(Graph([graph_with_pause().as_node(name="in")], name="outer")), draft="d")
    handle.pause("lunch")
    handle.answer("in/ask", 1)
    assert (handle.status, handle.pauses()) == ("Paused", [])
    handle.resume()
    assert handle.result(SIGNAL_TIMEOUT_SECONDS).final_context["final"] == 1
    assert_no_violations(runner)


@pytest.mark.parametrize("nested", [False, True])
def test_cancelled_while_it_asks_and_retried(nested: bool, runner: DefaultRunner, offer: RegisterGraph) -> None:
    ran: list[str] = []
    graph = graph_with_three_pauses(ran)
    where = "in/" if nested else ""
    handle = run_until_paused(runner, offer(Graph([graph.as_node(name="in")], name="outer") if nested else graph), x=7)
    handle.answer(f"{where}b", 2)
    runner.cancel(handle.run_id, "enough")
    assert handle.result(SIGNAL_TIMEOUT_SECONDS).status == "Cancelled"
    assert handle.pauses() == []
    with pytest.raises(PauseNotFound):
        handle.answer(f"{where}a", 1)
    while {run.status for run in runner.list_runs()} != {"Cancelled"}:  # bounded by the test's time-out
        poll_pause()
    handle.retry()
    handle.result(SIGNAL_TIMEOUT_SECONDS)
    assert open_pause_ids(handle) == [f"{where}a", f"{where}c"]
    handle.answer(f"{where}c", 3)
    handle.answer(f"{where}a", 1)
    assert handle.result(SIGNAL_TIMEOUT_SECONDS).final_context["total"] == 321
    assert sorted(ran) == ["a", "a", "b", "c", "c", "total"]
    assert_no_violations(runner)


@pytest.mark.parametrize("mapped", [False, True])
def test_a_retry_keeps_answers(mapped: bool, runner: DefaultRunner, offer: RegisterGraph) -> None:
    failures = [True]

    @node(output_name="final")
    def use(verdict: int) -> int:
        if failures and verdict == 2:
            failures.clear()
            raise ValueError("not this time")
        return verdict

    low = Graph([InterruptNode("ask", "draft", "verdict"), use], name="low")
    if mapped:
        graph = Graph([low.as_node(name="all").map_over("draft", on_pause="item")], name="outer")
    else:
        graph = Graph([low.as_node(name="all")], name="outer")
    drafts = ["x", "y", "z"] if mapped else "x"
    handle = run_until_paused(runner, offer(graph), draft=drafts)
    pause_ids = open_pause_ids(handle)
    for k, pause_id in enumerate(pause_ids, 3 - len(pause_ids)):
        handle.answer(pause_id, k)
    assert handle.result(SIGNAL_TIMEOUT_SECONDS).status == "Failed"
    handle.retry()
    result = handle.result(SIGNAL_TIMEOUT_SECONDS)
    assert (result.status, handle.pauses()) == ("Completed", [])
    assert result.final_context["final"] == ([0, 1, 2] if mapped else 2)
    assert_no_violations(runner)


def test_a_failed_item_does_not_wait_for_those_that_ask(runner: DefaultRunner, offer: RegisterGraph) -> None:
    @node(output_name="draft")
    def write(topic: str) -> str:
        if topic == "bad":
            raise ValueError("no idea")
        return topic

    low = Graph([write, *graph_with_pause().nodes.values()], name="low")
    mapped = low.as_node(name="all").map_over("topic", on_pause="item")
    handle = run_until_paused(runner, offer(Graph([mapped], name="outer")), topic=["a", "bad", "c"])
    result = handle.info()
    assert result.status == "Failed"
    assert "no idea" in (result.error_message or "")
    assert handle.pauses() == []
    assert_no_violations(runner)


# -- elsewhere


def answer_from_other_process(url: str, *words: str) -> subprocess.CompletedProcess[str]:
    """`holdwater runs answer` in a process of its own, which has no code of ours."""
    command = [sys.executable, "-m", "holdwater", "runs", "answer", *words, "--database", url]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_process_without_the_code_answers(
    url: str, open_runner: Callable[..., DefaultRunner], offer: RegisterGraph
) -> None:
    runner = open_runner(recovery_interval_seconds=3600)  # it hears of the answer
    low = graph_with_pause(name="low").as_node(name="all").map_over("draft", on_pause="item")
    handle = run_until_paused(runner, offer(Graph([low], name="outer")), draft=["p", "q"])
    unsure = answer_from_other_process(url, handle.run_id, "1")
    assert unsure.returncode != 0
    assert "several open questions" in unsure.stderr
    first = answer_from_other_process(url, handle.run_id, "--pause", "all/1/ask", json.dumps({"deep": [1]}))
    assert (first.returncode, first.stderr) == (0, "")
    again = answer_from_other_process(url, handle.run_id, "--pause", "all/1/ask", "2")
    assert again.returncode != 0
    assert "all/0/ask" in again.stderr
    assert answer_from_other_process(url, handle.run_id, "text").returncode == 0
    assert handle.result(SIGNAL_TIMEOUT_SECONDS).final_context["final"] == ["text", {"deep": [1]}]
    assert_no_violations(runner)


def test_an_answer_from_elsewhere_to_a_child_of_a_run_that_goes_on(
    url: str, open_runner: Callable[..., DefaultRunner], offer: RegisterGraph, gate: Gate
) -> None:
    """The runner that has the parent hears that the child goes on, and so that it ends."""
    after = threading.Event()

    @node(output_name="slow")
    def slow(draft: str) -> str:
        gate()
        return draft

    @node(output_name="after")
    def follow(final: Any) -> Any:
        after.set()
        return final

    runner = open_runner(recovery_interval_seconds=3600)
    inner = graph_with_pause(name="low").as_node(name="in")
    handle = runner.submit(offer(Graph([inner, follow, slow], name="outer")), {"draft": "d"})
    gate.wait_started()
    while runner.list_runs(workflow_name="outer/in", status="Paused") == []:  # bounded by the test's time-out
        poll_pause()
    assert handle.status == "Running"
    assert answer_from_other_process(url, handle.run_id, "5").returncode == 0
    assert after.wait(SIGNAL_TIMEOUT_SECONDS)
    gate.open.set()
    assert handle.result(SIGNAL_TIMEOUT_SECONDS).final_context["after"] == 5
    assert_no_violations(runner)


@pytest.mark.parametrize("answer", [{"approved": False}, "no"])
def test_an_answer_given_before_the_code_was_known_is_checked_when_it_is(
    open_runner: Callable[..., DefaultRunner], offer: RegisterGraph, answer: Any
) -> None:
    @node(output_name="seen")
    def see(answer: Reply) -> str:
        return repr(answer)

    graph = Graph([InterruptNode("ask", "total", "answer", response_type=Reply), see], name="late")
    runner = open_runner()
    handle = run_until_paused(runner, offer(graph), total=1)
    registry.unregister("late")
    if answer == "no":
        with pytest.raises(AnswerError, match="must be an object"):
            handle.answer("ask", answer)
        return
    handle.answer("ask", answer)
    register_graph(graph)
    assert handle.result(SIGNAL_TIMEOUT_SECONDS).final_context["seen"] == "Reply(approved=False)"
    assert_no_violations(runner)
