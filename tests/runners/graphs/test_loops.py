"""Loops of every shape: what runs, how often and in which order, the same in memory, on a loop and on the record."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest

from holdwater import END, Graph, node, route
from holdwater.errors import DeadlockError, GraphConfigError, MissingInputError
from holdwater.events import EventProcessor
from holdwater.runners.graphs import AsyncRunner, RunResult, SyncRunner
from holdwater.runners.graphs.durable.checkpointers import MemoryCheckpointer
from tests.runners.graphs.local.programs import make_function


class IgnoringProcessor(EventProcessor):
    def on_event(self, event: Any) -> None:
        pass


def _in_memory(graph: Graph, given: dict[str, Any], **options: Any) -> RunResult:
    return SyncRunner().run(graph, given, **options)


def _with_listener(graph: Graph, given: dict[str, Any], **options: Any) -> RunResult:
    return SyncRunner(event_processors=[IgnoringProcessor()]).run(graph, given, **options)


def _in_event_loop(graph: Graph, given: dict[str, Any], **options: Any) -> RunResult:
    return asyncio.run(AsyncRunner().run(graph, given, **options))


def _recorded(graph: Graph, given: dict[str, Any], **options: Any) -> RunResult:
    with MemoryCheckpointer() as checkpointer:
        return SyncRunner(checkpointer=checkpointer).run(graph, given, **options)


EXECUTION_MODES = [_in_memory, _with_listener, _in_event_loop, _recorded]
ExecutionMode = Callable[..., RunResult]


@dataclass
class RecordingGraphBuilder:
    """A graph whose nodes note that they were called."""

    calls: list[str] = field(default_factory=list)

    def fn(self, name: str, reads: str, writes: str, function: Callable[..., Any], **options: Any) -> Any:
        def called(*values: Any) -> Any:
            self.calls.append(name)
            return function(*values)

        params = tuple(reads.replace(" ", "").split(",")) if reads else ()
        return node(_make_function(name, params, called), output_name=writes or None, **options)

    def gate(self, name: str, reads: str, targets: Iterable[Any], function: Callable[..., Any], **options: Any) -> Any:
        def called(*values: Any) -> Any:
            self.calls.append(name)
            return function(*values)

        params = tuple(reads.replace(" ", "").split(",")) if reads else ()
        return route(list(targets), **options)(_make_function(name, params, called))


def _make_function(name: str, params: tuple[str, ...], function: Callable[..., Any]) -> Any:
    """`p=0` among the parameters is one with a default."""
    if not any("=" in p for p in params):
        return make_function(name, params, function)
    env: dict[str, Any] = {"body": function}
    exec(f"def {name}({', '.join(params)}):\n    return body({', '.join(p.partition('=')[0] for p in params)})", env)
    return env[name]


@dataclass(frozen=True)
class LoopCase:
    """`build` gives the nodes; `calls`: the nodes in the order they run when nothing runs at the same time."""

    build: Callable[[RecordingGraphBuilder], list[Any]]
    given: dict[str, Any]
    outputs: dict[str, Any]
    calls: str
    options: dict[str, Any] = field(default_factory=dict)


def _note_loop(m: RecordingGraphBuilder, **ports: dict[str, Any]) -> list[Any]:
    """Two writers of `log`: think -> keep_note -> act -> keep_move -> enough."""
    return [
        m.fn("think", "log", "note", lambda log: f"n{len(log)}", **ports.get("think", {})),
        m.fn("keep_note", "log, note", "log", lambda log, note: [*log, note], **ports.get("keep_note", {})),
        m.fn("act", "log", "move", lambda log: f"m:{log[-1]}", **ports.get("act", {})),
        m.fn("keep_move", "log, move", "log", lambda log, move: [*log, move], **ports.get("keep_move", {})),
        m.gate(
            "enough", "log", ["think", END], lambda log: END if len(log) >= 4 else "think", **ports.get("enough", {})
        ),
    ]


def _note_loop_with_signals(m: RecordingGraphBuilder) -> list[Any]:
    return _note_loop(
        m,
        keep_note={"emit": "noted"},
        act={"wait_for": "noted"},
        keep_move={"emit": "moved"},
        enough={"wait_for": "moved"},
    )


def _while_loop(m: RecordingGraphBuilder, size: int, *, closed: bool = True) -> list[Any]:
    """A gate over a body of `size` nodes, of which the last one writes what the gate reads."""
    names = [f"b{k}" for k in range(size)]
    cells = ["c", *[f"d{k}" for k in range(size - 1)], "c"]
    body = [m.fn(names[k], cells[k], cells[k + 1], lambda v, k=k: v + (k == 0)) for k in range(size)]
    return [m.gate("more", "c", ["b0", END], lambda c: "b0" if c < 3 else END, default_open=not closed), *body]


def _router_loop(m: RecordingGraphBuilder, branch_length: int, **options: Any) -> list[Any]:
    """pick -> one of two branches, `a` of `long` nodes and `b` of one -> collect -> pick."""
    chain = [f"a{k}" for k in range(branch_length)]
    cells = ["v", *[f"p{k}" for k in range(branch_length - 1)], "msg"]
    return [
        m.gate("pick", "v", [chain[0], "b", END], lambda v: END if v > 3 else chain[0] if v % 2 else "b", **options),
        *[m.fn(chain[k], cells[k], cells[k + 1], lambda v: v * 2) for k in range(branch_length)],
        m.fn("b", "v", "msg", lambda v: -v),
        m.fn("collect", "msg, v", "v", lambda msg, v: v + 1),
    ]


def _branches_with_two_names(m: RecordingGraphBuilder) -> list[Any]:
    """Branches of different length that write different names; collect takes what there is."""
    return [
        m.gate("pick", "v", ["a", "b", END], lambda v: END if v > 3 else "a" if v % 2 else "b", default_open=False),
        m.fn("a", "v", "p", lambda v: v * 2),
        m.fn("a2", "p", "left", lambda p: p + 1),
        m.fn("b", "v", "right", lambda v: -v),
        m.fn("collect", "v, left=None, right=None", "v", lambda v, left, right: v + 1),
    ]


def _counted_loop(m: RecordingGraphBuilder, **options: Any) -> list[Any]:
    return [
        m.fn("setup", "x", "limit", lambda x: x),
        m.gate("more", "limit, done=0", ["step", END], lambda limit, done: END if done >= limit else "step", **options),
        m.fn("step", "limit, done=0", "done", lambda limit, done: done + 1),
    ]


def _shared_branches(m: RecordingGraphBuilder) -> list[Any]:
    """Exclusive writers of a shared name, in an order with what comes before and after them."""
    return [
        m.gate("pick", "log", ["a", "b", END], lambda log: END if len(log) > 4 else "a" if len(log) % 2 else "b"),
        m.fn("a", "log", "log", lambda log: [*log, "a"]),
        m.fn("b", "log", "log", lambda log: [*log, "b", "b"]),
        m.fn("collect", "log", "size", len),
        m.fn("mark", "size", "marked", lambda size: size),
    ]


EDGES = [("keep_note", "act"), ("keep_move", "enough")]
EXPECTED_OUTPUTS = {"note": "n2", "log": ["n0", "m:n0", "n2", "m:n2"], "move": "m:n2"}
ITERATION_CALLS = "think keep_note act keep_move enough "
CASES = {
    "shared name, order by edges": LoopCase(
        _note_loop, {"log": []}, EXPECTED_OUTPUTS, ITERATION_CALLS * 2,
        {"shared": ["log"], "edges": EDGES, "entrypoint": "think"}
    ),
    "shared name, order by signals": LoopCase(
        _note_loop_with_signals, {"log": []}, EXPECTED_OUTPUTS, ITERATION_CALLS * 2,
        {"shared": ["log"], "entrypoint": "think"}
    ),
    "shared name, exclusive writers": LoopCase(
        _shared_branches,
        {"log": ["x"]},
        {"log": ["x", "a", "b", "b", "b", "b"][:6], "size": 6, "marked": 6},
        "",
        {"shared": ["log"], "edges": [("a", "collect"), ("b", "collect"), ("mark", "pick")]},
    ),
    **{
        f"gate first, body of {size}": LoopCase(
            partial(_while_loop, size=size),
            {"c": 1},
            {"c": 3, **{f"d{k}": 3 for k in range(size - 1)}},
            ("more " + "".join(f"b{k} " for k in range(size))) * 2 + "more",
        )
        for size in (1, 2, 3, 5)
    },
    **{
        f"gate first, body of {size} left out": LoopCase(partial(_while_loop, size=size), {"c": 3}, {}, "more")
        for size in (2, 3)
    },
    "gate last": LoopCase(lambda m: _while_loop(m, 2, closed=False), {"c": 3}, {"c": 4, "d0": 4}, "b0 b1 more"),
    "router, closed": LoopCase(
        lambda m: _router_loop(m, 1, default_open=False),
        {"v": 1},
        {"msg": 6, "v": 4},
        "pick a0 collect pick b collect pick a0 collect pick",
    ),
    "router that has what it reads": LoopCase(
        lambda m: _router_loop(m, 1), {"v": 2}, {"msg": 6, "v": 4}, "pick b collect pick a0 collect pick"
    ),
    "router, a branch of three": LoopCase(
        lambda m: _router_loop(m, 3),
        {"v": 2},
        {"p0": 6, "p1": 12, "msg": 24, "v": 4},
        "pick b collect pick a0 a1 a2 collect pick",
    ),
    "router at its end": LoopCase(lambda m: _router_loop(m, 2), {"v": 9}, {}, "pick"),
    "router, names of their own": LoopCase(
        _branches_with_two_names, {"v": 2}, {"p": 6, "left": 7, "right": -2, "v": 4},
        "pick b collect pick a a2 collect pick"
    ),
    "router between entry points": LoopCase(
        lambda m: _router_loop(m, 1), {"v": 2}, {"msg": 6, "v": 4}, "pick b collect pick a0 collect pick",
        {"entrypoint": ["a0", "b"]},
    ),
    "one entry point below a router": LoopCase(
        lambda m: _router_loop(m, 1), {"v": 2}, {"msg": 6, "v": 4},
        "a0 collect pick a0 collect pick", {"entrypoint": "a0"}
    ),
    "while, no turn": LoopCase(_counted_loop, {"x": 0}, {"limit": 0}, "setup more"),
    "while, two turns": LoopCase(_counted_loop, {"x": 2}, {"limit": 2, "done": 2}, "setup more step more step more"),
    "while, begun before the loop": LoopCase(
        _counted_loop, {"x": 0}, {"limit": 0}, "setup more", {"entrypoint": "setup"}
    ),
    "do while": LoopCase(
        _counted_loop, {"x": 0}, {"limit": 0, "done": 1}, "setup step more", {"entrypoint": ["setup", "step"]}
    ),
}  # fmt: skip


def build_case(case: LoopCase) -> tuple[Graph, RecordingGraphBuilder]:
    made = RecordingGraphBuilder()
    return Graph(case.build(made), name="loops", **case.options), made


@pytest.mark.parametrize("way", EXECUTION_MODES)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_loop(case: LoopCase, way: ExecutionMode) -> None:
    graph, made = build_case(case)
    result = way(graph, case.given, select=["*"], max_iterations=30)
    given = {name: value for name, value in case.given.items() if name in graph.outputs}
    assert {**given, **result} == {**given, **case.outputs}
    if case.calls:
        assert made.calls == case.calls.split()


def _deadlocked_ring(m: RecordingGraphBuilder) -> list[Any]:
    """Open all three, and each is to come after the one before."""
    return [
        m.gate("all3", "x, c=0", ["a", "b", "d"], lambda x, c: ["a", "b", "d"], multi_target=True),
        m.fn("a", "x, q=0", "c", lambda x, q: 1),
        m.fn("b", "x, c=0", "p", lambda x, c: 2),
        m.fn("d", "x, p=0", "q", lambda x, p: 3),
    ]


def _deadlocked_pair(m: RecordingGraphBuilder) -> list[Any]:
    """Open both, and each of them is to come after the other."""
    return [
        m.gate("both", "x, left=0", ["l", "r"], lambda x, left: ["l", "r"], multi_target=True),
        m.fn("l", "x, right=0", "left", lambda x, right: 1),
        m.fn("r", "x, left=0", "right", lambda x, left: 2),
    ]


def _one_signal(m: RecordingGraphBuilder) -> list[Any]:
    """The gate opens `late` again, which waits for a signal that `failing_once` sends in its first turn only."""
    return [
        m.fn("once", "x, c=0", "a", lambda x, c: x, emit="done"),
        m.fn("late", "a, n", "n", lambda a, n: n + 1, wait_for="done"),
        m.gate("more", "n", ["late", END], lambda n: "late" if n < 3 else END),
        m.fn("back", "n, q=0", "c", lambda n, q: 0),
        m.gate("never", "n", ["once", END], lambda n: END),
    ]


DEADLOCK_CASES = {
    "in a ring": (_deadlocked_ring, {"x": 1}, "'a' waits for 'd'; 'b' waits for 'a'; 'd' waits for 'b'"),
    "a signal that does not come again": (_one_signal, {"x": 1, "n": 0}, "'late' waits for what comes no more"),
    "each after the other": (_deadlocked_pair, {"x": 1}, "'l' waits for 'r'; 'r' waits for 'l'"),
}


@pytest.mark.parametrize("way", EXECUTION_MODES)
@pytest.mark.parametrize(("build", "given", "said"), DEADLOCK_CASES.values(), ids=DEADLOCK_CASES)
def test_members_that_never_ran_are_an_error(
    build: Callable[[RecordingGraphBuilder], list[Any]], given: dict[str, Any], said: str, way: ExecutionMode
) -> None:
    made = RecordingGraphBuilder()
    graph = Graph(build(made), name="stuck")
    with pytest.raises(DeadlockError, match="no gate decided so") as caught:
        way(graph, given)
    assert said in str(caught.value)
    assert "with_entrypoint" in str(caught.value)
    result = way(graph, given, error_handling="continue")
    assert isinstance(result.error, DeadlockError)


def test_entry_points_that_exclude_each_other_are_refused_where_their_gate_does_not_run() -> None:
    made = RecordingGraphBuilder()
    nodes = [
        made.gate("pick", "x", ["a", "b"], lambda x: "a"),
        made.fn("a", "x", "y", lambda x: x),
        made.fn("b", "x", "y", lambda x: x),
    ]
    assert SyncRunner().run(Graph(nodes, entrypoint="a"), {"x": 1}) == {"y": 1}
    for refused in (
        lambda: Graph(nodes, entrypoint=["a", "b"]),
        lambda: Graph(nodes).with_entrypoint("a", "b"),
        lambda: Graph(nodes).with_entrypoint("a").with_entrypoint("b"),
        lambda: SyncRunner().run(Graph(nodes), {"x": 1}, entrypoint=["a", "b"]),
    ):
        with pytest.raises(GraphConfigError, match="'pick' opens only one of 'a', 'b'"):
            refused()
    several = [made.gate("pick", "x", ["a", "c"], lambda x: ["a"], multi_target=True), nodes[1]]
    several.append(made.fn("c", "x", "z", lambda x: x))
    assert SyncRunner().run(Graph(several, entrypoint=["a", "c"]), {"x": 1}) == {"y": 1, "z": 1}


def test_a_closed_gate_asks_for_what_it_reads() -> None:
    graph = Graph(_while_loop(RecordingGraphBuilder(), 2))
    assert graph.inputs.required == ("c",)
    with pytest.raises(MissingInputError, match="'c'"):
        SyncRunner().run(graph, {})
