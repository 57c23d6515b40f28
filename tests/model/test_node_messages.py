"""Inputs and results as bytes: what is packed comes back.  Forged ones are in tests/runtime/executors."""

from __future__ import annotations

from typing import Any

import pytest

from holdwater.errors import BadAnswer
from holdwater.graphs import Graph, InterruptNode
from holdwater.model.fanout import ChildResult, ChildRunsRequest
from holdwater.model.input_requests import Question
from holdwater.model.message_framing import FrameLimits, pack_frame, unpack_untrusted_frame
from holdwater.model.node_inputs import NodeInputs
from holdwater.model.node_messages import pack_inputs, pack_result, unpack_inputs, unpack_result
from holdwater.model.ports.definition import WorkflowDefinition
from holdwater.model.results import NodeResult
from holdwater.model.time import Micros
from holdwater.model.values import StoredValue
from holdwater.steps import Step, Workflow
from holdwater.steps.delta import RunInput, StepDelta
from tests.graphs.building import fn, gate

LIMITS = FrameLimits(100, 2, 10)


def stored(value: Any) -> StoredValue:
    return StoredValue.encode(value)


def values(**given: Any) -> dict[str, StoredValue]:
    return {name: stored(value) for name, value in given.items()}


def steps() -> WorkflowDefinition:
    inner = Step.lambda_("one", lambda context, config: None)
    mapped = Step.map("each", items=[1], step=inner)
    return Workflow("w", [Step.lambda_("a", lambda context, config: None), mapped]).program()


def graph() -> WorkflowDefinition:
    nodes = [
        fn("a", "x", ["y", "z"], emit="done"),
        gate("g", "y", ["b"]),
        fn("b", "z", "w"),
        InterruptNode("i", "w", "v"),
    ]
    return Graph(nodes, name="w").program()


ENDED = (None, ChildResult("completed", values(y=[2])), ChildResult("failed", {}, "E: no"))
DELTA = StepDelta(stored({"n": 1}), values(p=(1,)), stored({}), stored([{}]), "no", True)
ITEMS = ({"*": RunInput(values(item=1))}, {"*": RunInput({}, batch_id="b")})


@pytest.mark.parametrize(
    "inputs",
    [
        NodeInputs({}),
        NodeInputs({"one": values(a=1, b=[1.5, None, "ü"], c=(1, {2}))}, {"id": None, "name": "n"}, woken_at=Micros(7)),
        NodeInputs({"one": {}, "two": values(x=2)}, child_results=()),
        NodeInputs({"one": values(x=1)}, child_results=ENDED),
    ],
)  # fmt: skip
def test_inputs_come_back(inputs: NodeInputs) -> None:
    assert unpack_inputs(pack_inputs(inputs)) == inputs


@pytest.mark.parametrize(
    ("definition", "node", "result"),
    [
        (steps, 0, NodeResult((DELTA,), ("a", "b"))),
        (steps, 1, NodeResult(child_runs=ChildRunsRequest(ITEMS, 3, False))),
        (steps, 1, NodeResult(child_runs=ChildRunsRequest((), None, True))),
        (steps, 0, NodeResult(wait_until=Micros(1_700_000_000_000_000))),
        (graph, 0, NodeResult((stored(1), stored({"a": [{1: 2}]}), stored(None)))),
        (graph, 1, NodeResult((), ("b",))),
        (graph, 1, NodeResult((), ())),
        (graph, 3, NodeResult(question=Question(stored({"text": "?"})))),
    ],
)
def test_results_come_back(definition: Any, node: int, result: NodeResult) -> None:
    assert unpack_result(pack_result(result), definition(), node) == result


def test_a_result_is_encoded_anew() -> None:
    text = b' {"b" : [ 1.50, 1e2 , "\\u0041" ], "b": 1 } '
    (value, *_) = unpack_result(
        pack_frame({"kind": "values", "decision": None}, text, b"1", b"null"), graph(), 0
    ).values
    assert value.text == '{"b":1}'


def test_a_result_larger_than_the_limit() -> None:
    with pytest.raises(BadAnswer, match="more than 1,000"):
        unpack_result(pack_result(NodeResult((stored("x" * 2_000), stored(1), stored(None)))), graph(), 0, 1_000)


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        (pack_frame("x" * 200), "the header of a message has"),
        (pack_frame("x", b"", b"", b""), "more than 2 of them"),
        (pack_frame("x", b"123456", b"12345"), "11 bytes, more than 10"),
        (pack_frame("x", b"12")[:-1], "it ends after"),
        (pack_frame("x") + b"!", "1 bytes behind its end"),
        (b"\0\0", "it ends after 2 bytes"),
    ],
)
def test_a_frame_has_limits(frame: bytes, says: str) -> None:
    with pytest.raises(BadAnswer, match=says):
        unpack_untrusted_frame(frame, LIMITS)
    assert unpack_untrusted_frame(pack_frame("x", b"12345", b"12345"), LIMITS) == ("x", [b"12345", b"12345"])
