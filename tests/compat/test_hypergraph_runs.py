"""Runs as code of "hypergraph" sees them: what is returned, statuses, answers, and checkpointers."""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import datetime as dt
import json
import pickle
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

import holdwater
from holdwater.compat import hypergraph
from holdwater.compat.hypergraph import checkpointers
from holdwater.errors import AnswerError, MissingOutputError

make_interrupt: Any = hypergraph.InterruptNode


class RecordingProcessor(hypergraph.TypedEventProcessor):
    def __init__(self) -> None:
        self.started: list[Any] = []
        self.ended: list[Any] = []

    def on_run_start(self, event: Any) -> None:
        self.started.append(event)

    def on_run_end(self, event: Any) -> None:
        self.ended.append(event)


# -- outputs


def a(x: int) -> int:
    return x + 1


def b(a: int) -> tuple[int, int]:
    return a, -a


def is_big(x: int) -> bool:
    return x > 5


def big(a: int) -> str:
    return f"big {a}"


def small(a: int) -> str:
    return f"small {a}"


def chain() -> hypergraph.Graph:
    return hypergraph.Graph([hypergraph.node(a, "a"), hypergraph.node(b, ("b", "c"))], name="chain")


def branches() -> hypergraph.Graph:
    gate = hypergraph.ifelse("big", "small")(is_big)
    return hypergraph.Graph([hypergraph.node(a, "a"), gate, hypergraph.node(big, "up"), hypergraph.node(small, "down")])


def loop() -> hypergraph.Graph:
    def count(n: int) -> int:
        return n + 1

    def look(n: int) -> str:
        return str(n)

    def again(seen: str) -> Any:
        return hypergraph.END if seen == "3" else "count"

    gate = hypergraph.route(["count", hypergraph.END])(again)
    return hypergraph.Graph([hypergraph.node(count, "n"), hypergraph.node(look, "seen"), gate], entrypoint="count")


ALL_OUTPUTS: list[tuple[Callable[[], hypergraph.Graph], dict[str, Any], dict[str, Any]]] = [
    (chain, {"x": 1}, {"a": 2, "b": 2, "c": -2}),
    (lambda: chain().select("c"), {"x": 1}, {"c": -2}),
    (lambda: chain().bind(x=4), {}, {"a": 5, "b": 5, "c": -5}),
    (lambda: chain().with_entrypoint("b"), {"a": 7}, {"b": 7, "c": -7}),
    (branches, {"x": 9}, {"a": 10, "up": "big 10"}),
    (branches, {"x": 1}, {"a": 2, "down": "small 2"}),
    (loop, {"n": 0}, {"n": 3, "seen": "3"}),
    (lambda: hypergraph.Graph([chain().as_node()]), {"x": 1}, {"a": 2, "b": 2, "c": -2}),
]


@pytest.mark.parametrize("on_missing", ["ignore", "error"])
@pytest.mark.parametrize(("build", "given", "expected"), ALL_OUTPUTS)
def test_all_outputs_are_returned_by_every_runner(
    build: Callable[[], hypergraph.Graph], given: dict[str, Any], expected: dict[str, Any], on_missing: str
) -> None:
    graph = build()
    assert hypergraph.SyncRunner().run(graph, given, on_missing=on_missing).values == expected
    assert asyncio.run(hypergraph.AsyncRunner().run(graph, given, on_missing=on_missing)).values == expected
    with checkpointers.MemoryCheckpointer() as kept:
        recorded = hypergraph.SyncRunner(checkpointer=kept)
        assert recorded.run(graph, given, on_missing=on_missing, workflow_id="w").values == expected
        assert recorded.run(graph, {}, on_missing=on_missing, workflow_id="w").values == expected
    lists = {name: [value] for name, value in given.items()}
    if lists:
        (item,) = hypergraph.SyncRunner().map(graph, lists, map_over=[*lists])
        assert item.outputs == expected


def test_what_is_selected_can_be_missing() -> None:
    runner = hypergraph.SyncRunner()
    assert runner.run(branches(), {"x": 9}, select=["up", "down"]).values == {"up": "big 10"}
    for graph, select in ((branches(), ["down"]), (branches().select("down"), None)):
        with pytest.raises(MissingOutputError, match="down"):
            runner.run(graph, {"x": 9}, select=select, on_missing="error")
    with pytest.raises(ValueError, match="on_missing"):
        runner.run(branches(), {"x": 9}, on_missing="never")


# -- answers


class Colour(Enum):
    RED = "red"


@dataclass
class Verdict:
    good: bool
    why: str = ""


ANSWERS: list[tuple[Any, Any, Any]] = [
    (dt.date, "2026-11-30", dt.date(2026, 11, 30)),
    (Colour, "red", Colour.RED),
    (Verdict, {"good": False, "why": "late"}, Verdict(False, "late")),
    (list[Verdict], [{"good": True}], [Verdict(True)]),
    (tuple[int, str], [1, "x"], (1, "x")),
    (Verdict | None, None, None),
]
ANSWER_METHODS = ["values", "keyword", "handler", "async handler", "respond", "again"]


def graph_that_asks(answer_type: Any, *, by_class: bool) -> Any:
    """An interrupt whose answers are declared by the node, or by the class of its question (not to be stored here)."""
    if not by_class:
        return make_interrupt("ask", "x", "answer", answer_type)
    question = type("Question", (), {"answer_type": answer_type})

    def ask(x: int) -> Any:
        return question()

    ask.__annotations__["return"] = question
    return make_interrupt(ask, answer_name="answer")


async def _answered(graph: hypergraph.Graph, kept: Any, way: str, answer: Any) -> Any:
    runner = hypergraph.AsyncRunner(checkpointer=kept)
    named: dict[str, Any] = {} if kept is None else {"workflow_id": "w"}
    if way in ("handler", "async handler"):

        async def later(_: object) -> Any:
            return answer

        handler: Callable[[object], Any | Awaitable[Any]] = later if way == "async handler" else lambda _: answer
        return await runner.run(graph, {"x": 1}, interrupt_handlers={"ask": handler}, **named)
    if way == "respond":
        async with runner.iter(graph, {"x": 1}, **named) as run:
            async for event in run:
                if isinstance(event, hypergraph.InterruptEvent):
                    run.respond(event.response_param, answer)
        return run.result
    if kept is not None:
        assert (await runner.run(graph, {"x": 1}, **named)).paused
    result = await (runner.run(graph, {"x": 1}, answer=answer, **named) if way == "keyword" else runner.run(
        graph, {"x": 1, "answer": answer}, **named
    ))  # fmt: skip
    if way == "again" and kept is not None:  # the same answer, once more
        return await runner.run(graph, {"answer": answer}, **named)
    return result


@pytest.mark.parametrize("recorded", [False, True])
@pytest.mark.parametrize("way", ANSWER_METHODS)
@pytest.mark.parametrize(("kind", "given", "expected"), ANSWERS)
def test_answers_in_json_are_of_the_declared_type(
    kind: Any, given: Any, expected: Any, way: str, recorded: bool, tmp_path: Path
) -> None:
    seen: list[Any] = []

    def use(answer: Any) -> bool:
        seen.append(answer)
        return True

    graph = hypergraph.Graph(
        [graph_that_asks(kind, by_class=not recorded), hypergraph.node(use, "seen")], name="asking"
    )
    kept = checkpointers.SqliteCheckpointer(tmp_path / "runs.db") if recorded else None
    result = asyncio.run(_answered(graph, kept, way, given))
    assert result.completed
    assert result["answer"] == expected == seen[0]
    assert type(result["answer"]) is type(expected)
    assert len(seen) == 1
    if kept is not None:
        kept.close()


@pytest.mark.parametrize("recorded", [False, True])
@pytest.mark.parametrize("way", ANSWER_METHODS)
def test_answers_that_cannot_be_of_the_type_are_refused(way: str, recorded: bool, tmp_path: Path) -> None:
    graph = hypergraph.Graph([make_interrupt("ask", "x", "answer", Verdict)], name="asking")
    kept = checkpointers.SqliteCheckpointer(tmp_path / "runs.db") if recorded else None
    with pytest.raises(AnswerError, match="Verdict"):
        asyncio.run(_answered(graph, kept, way, {"verdict": True}))
    if kept is not None:
        kept.close()


# -- statuses and checkpointers


STATUSES: list[Any] = [
    hypergraph.RunStatus, checkpointers.StepStatus, checkpointers.WorkflowStatus, hypergraph.PauseReason,
]  # fmt: skip


@pytest.mark.parametrize("kind", STATUSES)
def test_statuses_equal_their_strings(kind: Any) -> None:
    assert {*kind} == {member.value for member in kind}
    assert all(str(member) == member.value == member.name.lower() for member in kind)


def test_statuses_of_a_run_that_goes_on(tmp_path: Path) -> None:
    graph = hypergraph.Graph([make_interrupt("ask", "question", "answer", bool)], name="asking")
    heard = RecordingProcessor()

    async def main() -> None:
        async with checkpointers.SqliteCheckpointer(tmp_path / "runs.db") as kept:
            runner = hypergraph.AsyncRunner(checkpointer=kept, event_processors=[heard])
            for given, status in (({"question": "why"}, "paused"), ({"answer": False}, "completed")):
                result = await runner.run(graph, given, workflow_id="w")
                assert result.status == heard.ended[-1].status == status
                (step,), run = await kept.get_steps("w"), await kept.get_run_async("w")
                assert run is not None
                assert (step.status, step.run_id, step.index) == (status, "w", 0)
                assert (run.status, run.status.value) == (status, status)  # type: ignore[attr-defined]
                assert await kept.list_runs(status=status) == kept.runs(status=run.status) == [run]

    asyncio.run(main())
    assert [event.is_resume for event in heard.started] == [False, True]


def test_a_run_that_is_under_way_or_was_cancelled(tmp_path: Path) -> None:
    kept = checkpointers.SqliteCheckpointer(tmp_path / "runs.db")

    def look(x: int) -> str:
        run = kept.get_run("w")
        assert run is not None
        assert kept.runs(status="active") == kept.runs(status="running") == [run]
        return run.status

    graph = hypergraph.Graph([hypergraph.node(look, "during"), make_interrupt("ask", "during", "answer")])
    found = asyncio.run(hypergraph.AsyncRunner(checkpointer=kept).run(graph, {"x": 1}, workflow_id="w"))
    assert found["during"] == "active"
    with holdwater.DefaultRunner(f"sqlite:///{tmp_path}/runs.db") as operator:
        operator.cancel("w")
    run = kept.get_run("w")
    assert run is not None
    assert run.status is checkpointers.WorkflowStatus.STOPPED
    assert kept.runs(status=checkpointers.WorkflowStatus.STOPPED) == [run]
    kept.close()


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_closing_may_be_awaited(kind: str, tmp_path: Path) -> None:
    async def main() -> None:
        kept: Any = (
            checkpointers.MemoryCheckpointer()
            if kind == "memory"
            else checkpointers.SqliteCheckpointer(tmp_path / "runs.db")
        )
        await kept.initialize()
        engine = kept.engine
        assert await kept.close() is None
        await kept.close()  # again
        assert kept.engine is not engine  # opened again when it is used
        kept.close()
        with kept:
            pass

    asyncio.run(main())


# -- what results and records have besides


def fail(x: int) -> int:
    raise ValueError("mine")


def test_what_a_result_has_besides() -> None:
    good = hypergraph.SyncRunner().run(chain(), {"x": 1})
    assert (good.stopped, good.restored, good.checkpoint_ok, good.checkpoint_errors) == (False, False, True, ())
    assert (good.failure, good.node_failures) == (None, ())
    bad = hypergraph.SyncRunner().run(
        hypergraph.Graph([hypergraph.node(fail, "y")]), {"x": 1}, error_handling="continue"
    )
    for name in ("failure", "node_failures"):
        with pytest.raises(hypergraph.NotInThisVersion, match="get_failure_evidence"):
            getattr(bad, name)


def test_what_the_results_of_a_map_have_besides() -> None:
    runner = hypergraph.SyncRunner()
    results = runner.map(chain(), {"x": [1, 2]}, map_over="x")
    assert (results.requested_count, results.restored_count, results.unstarted_item_indexes) == (2, 0, ())
    assert (results.stopped, results.checkpoint_ok, results.checkpoint_errors) == (False, True, ())
    assert results.total_duration_ms > 0
    assert results.graph_name == "chain"
    known = json.loads(json.dumps(results.to_dict()))
    assert (known["status"], known["map_over"], known["map_mode"]) == ("completed", ["x"], "zip")
    assert [item["status"] for item in known["results"]] == ["completed", "completed"]
    empty = runner.map(chain(), {"x": []}, map_over="x")
    assert (empty.requested_count, empty.total_duration_ms, empty.graph_name) == (0, 0.0, None)


def test_the_result_of_iterating_may_be_called_and_awaited() -> None:
    async def main() -> None:
        async with hypergraph.AsyncRunner().iter(chain(), {"x": 1}) as run:
            assert [event async for event in run]
            result: Any = run.result
            assert await result() == await result(raise_on_failure=True) == {"a": 2, "b": 2, "c": -2}

    asyncio.run(main())


def test_what_records_have_besides() -> None:
    with checkpointers.MemoryCheckpointer() as kept:
        runner = hypergraph.SyncRunner(checkpointer=kept)
        graph = hypergraph.Graph([hypergraph.node(a, "a"), hypergraph.node(fail, "y", rename_inputs={"x": "a"})])
        assert runner.run(graph, {"x": 1}, workflow_id="w", error_handling="continue").failed
        run = kept.get_run("w")
        assert run is not None
        assert pickle.loads(pickle.dumps(run)) == copy.deepcopy(run) == run
        assert dataclasses.asdict(run)["status"] == "failed"
        assert (run.fork_superstep, run.retry_of, run.retry_index) == (None, None, None)
        steps = kept.steps("w")
        assert [(step.superstep, step.status) for step in steps] == [(0, "completed"), (1, "failed")]
        for thing, names in ((run, ["config", "node_count", "error_count"]), (steps[0], ["cached", "decision"])):
            for name in names:
                with pytest.raises(hypergraph.NotInThisVersion, match=name):
                    getattr(thing, name)
