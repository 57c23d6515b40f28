from __future__ import annotations

import threading
import traceback
from typing import Any

import pytest

from holdwater.errors import GraphConfigError, InfiniteLoopError, MissingInputError, MissingOutputError, NodeReturnError
from holdwater.graphs import END, FunctionNode, Graph, NodeContext, ifelse, node, route
from holdwater.model.policies import RetryPolicy
from holdwater.runners.graphs import RunStatus, SyncRunner
from tests.runners.graphs.samples import RecordingProcessor, counter_graph, double, small_graph

runner = SyncRunner()


@pytest.mark.parametrize(
    "result",
    [
        lambda: runner.run(small_graph(), {"x": 2}),
        lambda: runner.run(small_graph(), inputs={"x": 2}),
        lambda: runner.run(small_graph(), values={"x": 2}),
        lambda: runner.run(small_graph(), x=2),
        lambda: runner.run(small_graph(), {"x": 2}, y=1),
    ],
)
def test_ways_to_give_inputs(result: Any) -> None:
    assert result() == {"total": 5}


def test_result_is_a_dictionary_of_leaves_with_attributes() -> None:
    result = runner.run(small_graph(), {"x": 2}, session_id="today")
    assert dict(result) == result.outputs == {"total": 5}
    assert result["total"] == 5
    assert result.status is RunStatus.COMPLETED
    assert result.completed
    assert not result.failed
    assert result.session_id == "today"
    assert result.pause is None
    assert result.error is None
    assert result.workflow_id is None
    assert len(result.run_id) == 32
    assert result.run_id == result.run_id
    assert RunStatus("failed") is RunStatus.ERROR
    assert RunStatus["FAILED"] is RunStatus["ERROR"]


def test_select_says_what_is_returned_and_not_what_runs() -> None:
    ran: list[int] = []

    @node
    def note(x: int) -> None:
        ran.append(x)

    assert runner.run(Graph([double, note]), {"x": 2}, select=["doubled"]) == {"doubled": 4}
    assert ran == [2]
    assert runner.run(Graph([double, note]).select("doubled"), {"x": 3}) == {"doubled": 6}
    assert ran == [2]


def test_select() -> None:
    graph = small_graph()
    assert runner.run(graph, {"x": 2}, select=["doubled"]) == {"doubled": 4}
    assert runner.run(graph, {"x": 2}, select=["*"]) == {"doubled": 4, "total": 5}
    assert runner.run(graph, {"x": 2}, select=["d*"]) == {"doubled": 4}
    with pytest.raises(ValueError, match="trebled"):
        runner.run(graph, {"x": 2}, select=["trebled"])


def test_same_graph_with_other_inputs() -> None:
    """What is kept of one run must not be taken for another."""
    graph = small_graph()
    assert runner.run(graph, {"x": 2}) == {"total": 5}
    assert runner.run(graph, {"x": 2, "y": 10}) == {"total": 14}
    assert runner.run(graph, {"x": 3}) == {"total": 7}
    assert runner.run(graph.bind(y=5), {"x": 3}) == {"total": 11}
    with pytest.warns(UserWarning, match="bound"):
        assert runner.run(graph.bind(y=5), {"x": 3, "y": 6}) == {"total": 12}
    for _ in range(2):
        with pytest.raises(MissingInputError):
            runner.run(graph, {"y": 2})
    for _ in range(2):
        with pytest.warns(UserWarning, match="z"):
            assert runner.run(graph, {"x": 2, "z": 1}) == {"total": 5}
    for _ in range(2):
        with pytest.raises(ValueError, match="twice"):
            runner.run(graph, {"x": 2}, x=3)


def test_supplied_output_skips_what_only_it_needed() -> None:
    called: list[str] = []

    @node(output_name="raw")
    def load(path: str) -> str:
        called.append("load")
        return path

    @node(output_name="clean")
    def strip(raw: str) -> str:
        called.append("strip")
        return raw.strip()

    graph = Graph([load, strip])
    assert runner.run(graph, {"raw": " a "}) == {"clean": "a"}
    assert called == ["strip"]


def test_several_outputs_and_their_number() -> None:
    good = FunctionNode(lambda x: (x, -x), name="both", output_name=("plus", "minus"))
    assert runner.run(Graph([good]), {"x": 3}) == {"plus": 3, "minus": -3}
    whole = FunctionNode(lambda x: (x, -x), name="whole", output_name="pair")
    assert runner.run(Graph([whole]), {"x": 3}) == {"pair": (3, -3)}
    bad = FunctionNode(lambda x: (x, x, x), name="both", output_name=("plus", "minus"))
    for listener in ([], [RecordingProcessor()]):
        with pytest.raises(NodeReturnError, match="2 data outputs but returned 3 values"):
            runner.run(Graph([bad]), {"x": 3}, event_processors=listener)


def test_generator_is_a_list_and_context_is_no_input() -> None:
    @node(output_name="parts")
    def split(text: str, context: NodeContext) -> Any:
        for part in text.split():
            context.stream(part.upper())
            yield part

    graph = Graph([split])
    assert graph.inputs.all == ("text",)
    assert runner.run(graph, {"text": "a b"}) == {"parts": ["a", "b"]}
    ear = RecordingProcessor()
    runner.run(graph, {"text": "a b"}, event_processors=[ear])
    assert [(e.chunk, e.chunk_index) for e in ear.of_type(_chunk())] == [("A", 0), ("a", 1), ("B", 2), ("b", 3)]


def _chunk() -> Any:
    from holdwater.events import StreamingChunkEvent

    return StreamingChunkEvent


@pytest.mark.parametrize("listening", [False, True])
def test_defaults_are_fresh_and_bound_values_are_shared(listening: bool) -> None:
    @node(output_name="seen")
    def collect(x: int, seen_before: list[int] = []) -> list[int]:  # noqa: B006 - that is the point
        seen_before.append(x)
        return seen_before

    graph = Graph([collect])
    ears = [RecordingProcessor()] if listening else []
    assert runner.run(graph, {"x": 1}, event_processors=ears)["seen"] == [1]
    assert runner.run(graph, {"x": 2}, event_processors=ears)["seen"] == [2]
    mine: list[int] = []
    bound = graph.bind(seen_before=mine)
    runner.run(bound, {"x": 1}, event_processors=ears)
    assert runner.run(bound, {"x": 2}, event_processors=ears)["seen"] is mine
    assert mine == [1, 2]


def test_default_that_cannot_be_copied() -> None:
    lock = threading.Lock()

    @node(output_name="held")
    def hold(x: int, guard: Any = lock) -> Any:
        return guard

    with pytest.raises(GraphConfigError, match="guard"):
        runner.run(Graph([hold]), {"x": 1})
    assert runner.run(Graph([hold]).bind(guard=lock), {"x": 1})["held"] is lock


@pytest.mark.parametrize("listening", [False, True])
def test_a_nodes_error_is_raised_as_it_is(listening: bool) -> None:
    problem = KeyError("lost")

    @node(output_name="never")
    def fail(doubled: int) -> None:
        raise problem

    graph = Graph([double, fail])
    with pytest.raises(KeyError) as caught:
        runner.run(graph, {"x": 1}, event_processors=[RecordingProcessor()] if listening else [])
    assert caught.value is problem
    assert caught.value.__cause__ is None
    assert traceback.extract_tb(caught.value.__traceback__)[-1].name == "fail"


def test_error_handling_continue_keeps_what_was_finished() -> None:
    @node(output_name="never")
    def fail(doubled: int) -> None:
        raise KeyError("lost")

    result = runner.run(Graph([double, fail]), {"x": 1}, select=["*"], error_handling="continue")
    assert result == {"doubled": 2}
    assert result.status is RunStatus.ERROR
    assert isinstance(result.error, KeyError)
    with pytest.raises(MissingInputError):
        runner.run(Graph([double, fail]), {}, error_handling="continue")


@pytest.mark.parametrize(
    "options",
    [
        {"error_handling": "ignore"},
        {"on_missing": "raise"},
        {"max_iterations": 0},
        {"max_iterations": True},
        {"workflow_id": "w"},
    ],
)
def test_wrong_options(options: dict[str, Any]) -> None:
    called: list[int] = []
    graph = Graph([FunctionNode(lambda x: called.append(x), name="do")])
    with pytest.raises(ValueError):
        runner.run(graph, {"x": 1}, **options)
    assert not called


def branching() -> Graph:
    @ifelse("small_one", "large_one")
    def is_small(x: int) -> bool:
        return x < 10

    @node(output_name="little")
    def small_one(x: int) -> str:
        return f"little {x}"

    @node(output_name="much")
    def large_one(x: int) -> str:
        return f"much {x}"

    return Graph([is_small, small_one, large_one])


def test_gate_and_missing_outputs() -> None:
    graph = branching()
    assert runner.run(graph, {"x": 1}) == {"little": "little 1"}
    assert runner.run(graph, {"x": 11}) == {"much": "much 11"}
    with pytest.raises(MissingOutputError, match="little"):
        runner.run(graph, {"x": 11}, select=["little"], on_missing="error")
    with pytest.warns(UserWarning, match="little"):
        assert runner.run(graph, {"x": 11}, select=["little"], on_missing="warn") == {}


def test_loop_and_its_limit() -> None:
    assert runner.run(counter_graph(), {"m": 0}) == {"n": 3, "m": 3}
    assert runner.run(counter_graph(5000), {"m": 0}, max_iterations=None)["m"] == 5000
    with pytest.raises(InfiniteLoopError) as caught:
        runner.run(counter_graph(100), {"m": 0}, max_iterations=10)
    assert caught.value.max_iterations == 10
    result = runner.run(counter_graph(100), {"m": 0}, max_iterations=10, error_handling="continue")
    assert isinstance(result.error, InfiniteLoopError)
    assert 0 < result["m"] < 100


def test_a_loop_that_changes_its_list_in_place_goes_on() -> None:
    @node(output_name="messages")
    def say(messages: list[int]) -> list[int]:
        messages.append(len(messages))
        return messages

    @node(output_name="size")
    def measure(messages: list[int]) -> int:
        return len(messages)

    @route(["say", END])
    def enough(size: int) -> Any:
        return END if size >= 4 else "say"

    graph = Graph([say, measure, enough], entrypoint="say")
    assert runner.run(graph, {"messages": []})["messages"] == [0, 1, 2, 3]


def test_retry() -> None:
    tries: list[int] = []

    def flaky(x: int) -> int:
        tries.append(x)
        if len(tries) < 3:
            raise ConnectionError("gone")
        return x

    policy = RetryPolicy(max_attempts=3, backoff="fixed", initial_delay=0.001)
    graph = Graph([FunctionNode(flaky, output_name="y", retry=policy)])
    assert runner.run(graph, {"x": 1}) == {"y": 1}
    assert len(tries) == 3
    del tries[:]
    short = Graph([FunctionNode(flaky, output_name="y", retry=RetryPolicy(max_attempts=2, initial_delay=0))])
    with pytest.raises(ConnectionError):
        runner.run(short, {"x": 1})
    assert len(tries) == 2


@pytest.mark.parametrize("listening", [False, True])
def test_deep_chain(listening: bool) -> None:
    nodes = [
        FunctionNode(lambda v: v + 1, name=f"n{i}", output_name=f"v{i + 1}", rename_inputs={"v": f"v{i}"})
        for i in range(10_000)
    ]
    ears = [RecordingProcessor()] if listening else []
    assert runner.run(Graph(nodes), {"v0": 0}, event_processors=ears) == {"v10000": 10_000}


def test_wait_for_orders_nodes_without_data() -> None:
    order: list[str] = []

    @node(output_name="b", wait_for="ready")
    def second(x: int) -> int:
        order.append("second")
        return x

    @node(output_name="a", emit="ready")
    def first(x: int) -> int:
        order.append("first")
        return x

    for listener in ([], [RecordingProcessor()]):
        order.clear()
        assert runner.run(Graph([second, first]), {"x": 1}, event_processors=listener) == {"a": 1, "b": 1}
        assert order == ["first", "second"]


@node(output_name="messages")
def _user(messages: list[str]) -> list[str]:
    return [*messages, f"u{len(messages)}"]


@node(output_name="messages")
def _bot(messages: list[str]) -> list[str]:
    return [*messages, f"b{len(messages)}"]


@route(["_user", END])
def _more(messages: list[str]) -> str:
    return END if len(messages) >= 6 else "_user"


def test_a_loop_over_a_shared_name_goes_in_the_declared_order() -> None:
    chat = Graph([_user, _bot, _more], shared=["messages"], edges=[("_user", "_bot"), ("_bot", "_more")])
    assert SyncRunner().run(chat, {"messages": []})["messages"] == ["u0", "b1", "u2", "b3", "u4", "b5"]


def test_a_loop_over_a_shared_name_that_a_declared_edge_closes_begins_and_goes_round() -> None:
    more = node(output_name="again")(lambda messages: len(messages) < 5)
    again = route(["_user", END])(lambda again: "_user" if again else END)
    chat = Graph(
        [_user, _bot, more.with_name("more"), again.with_name("gate")],
        shared=["messages"],
        edges=[("_user", "_bot"), ("_bot", "more"), ("gate", "_user")],
    )
    assert SyncRunner().run(chat, {"messages": []})["messages"] == ["u0", "b1", "u2", "b3", "u4", "b5"]


def test_a_loop_over_a_shared_name_goes_in_the_order_of_its_signals() -> None:
    user, bot = _user.func, _bot.func
    chat = Graph(
        [
            node(output_name="messages", emit="said")(user),
            node(output_name="messages", wait_for="said", emit="replied")(bot),
            route(["_user", END], wait_for="replied")(_more.func),
        ],
        shared=["messages"],
    )
    assert SyncRunner().run(chat, {"messages": []})["messages"] == ["u0", "b1", "u2", "b3", "u4", "b5"]
