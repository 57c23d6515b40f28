"""Paused runs that wait for an answer are told from runs that were paused by a request, in lists, too."""

from __future__ import annotations

import pytest

from holdwater import DefaultRunner
from holdwater.graphs import Graph, InterruptNode, interrupt, node
from holdwater.model.records import RunFilter
from holdwater.operations.runs import list_runs, page_runs
from holdwater.runs.activity import Activity

WAITS = Activity("waiting for an answer", answer_name="verdict")


@interrupt(answer_name="verdict", response_type=str)
def ask(draft: str) -> str | None:
    return draft


def pressing(name: str = "press") -> Graph:
    return Graph([ask], name=name)


def activities(runner: DefaultRunner) -> dict[str, Activity | None]:
    """Activities in the list, which are those of each run looked at alone."""
    reader = runner._engine.reader
    listed = {run.id: run.activity for run in list_runs(reader, RunFilter(top_level=True), 100)}
    assert listed == {run.id: run.activity for run in page_runs(reader, RunFilter(top_level=True)).runs}
    assert listed == {run_id: runner.activity(run_id) for run_id in listed}
    return listed


def test_a_run_that_asks_waits_for_its_answer(runner: DefaultRunner) -> None:
    run_id = runner.execute(pressing(), {"draft": "rain"}).run_id
    assert activities(runner) == {run_id: WAITS}
    assert [run.activity for run in runner.list_runs()] == ["waits for verdict"]
    runner.answer(run_id, "verdict", "yes")
    runner.handle(run_id).result()
    assert activities(runner) == {run_id: Activity("completed")}


@pytest.mark.parametrize("reason", ["", "lunch"])
def test_a_run_that_was_paused_by_a_request_does_not(runner: DefaultRunner, reason: str) -> None:
    run_id = runner.execute(pressing(), {"draft": "rain"}).run_id
    runner.pause(run_id, reason)
    assert activities(runner) == {run_id: Activity("paused")}
    assert [run.activity for run in runner.list_runs()] == [None]
    runner.resume(run_id)
    runner.handle(run_id).result()
    assert activities(runner) == {run_id: WAITS}


@pytest.mark.parametrize("mapped", [False, True])
def test_a_run_waits_for_the_questions_of_its_nodes_runs(runner: DefaultRunner, mapped: bool) -> None:
    inner = pressing("inner").as_node(name="inner")
    if mapped:
        inner = inner.map_over("draft", on_pause="item")
    run_id = runner.execute(Graph([inner], name="outer"), {"draft": ["a", "b"]}).run_id
    assert activities(runner) == {run_id: WAITS}


def test_an_answer_that_is_named_after_its_place_is_told_without_it(runner: DefaultRunner) -> None:
    graph = Graph([InterruptNode("ask", "draft", "approved", bool)], name="approval")
    run_id = runner.execute(graph, {"draft": "rain"}).run_id
    assert runner.activity(run_id) == Activity("waiting for an answer", answer_name="approved")


def test_a_plan_that_is_gone_hides_no_run(runner: DefaultRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = runner.execute(pressing(), {"draft": "rain"}).run_id
    reader = runner._engine.reader
    reader._loader._compiled_plans.clear()
    monkeypatch.setattr(reader.store, "get_plan", lambda structure: None)
    (run,) = list_runs(reader, RunFilter(), 10)
    assert (run.id, run.activity) == (run_id, Activity("waiting for an answer"))


def test_a_page_without_paused_runs_asks_for_no_question(
    runner: DefaultRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    @node(output_name="y")
    def double(x: int) -> int:
        return 2 * x

    runner.execute(Graph([double], name="doubled"), {"x": 1})
    monkeypatch.setattr(runner._engine.store, "first_questions", None)
    assert [run.status for run in list_runs(runner._engine.reader, RunFilter(), 10)] == ["completed"]
