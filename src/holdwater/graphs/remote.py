"""The code of a single node, for its execution in another process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from holdwater.errors import BadAnswer
from holdwater.graphs.node_call import NodeCall, call_function, call_function_async
from holdwater.graphs.nodes.base import Node
from holdwater.graphs.nodes.call_node import CallNode
from holdwater.graphs.nodes.gates import GateNode, target_text
from holdwater.graphs.nodes.interrupts import InterruptNode
from holdwater.graphs.run_data import INPUT_GROUP
from holdwater.graphs.stored_outputs import encode_outputs, encode_prompt
from holdwater.graphs.streaming_context import ParentAttempt, in_attempt
from holdwater.model.coroutines import run_awaitable
from holdwater.model.input_requests import Question
from holdwater.model.node_inputs import NodeInputs
from holdwater.model.portable_code import global_names, source_file
from holdwater.model.results import NodeResult


@dataclass(frozen=True, slots=True)
class PicklableNode:
    """A node to be pickled, without its graph.

    `bound`: bound values of its inputs.  `signal_count`: number of signals after its outputs.
    """

    node: CallNode[..., Any]
    bound: Mapping[str, Any]
    signal_count: int

    def source_file(self) -> str:
        """Return the source file of the function, "" if that is unknown."""
        return source_file(self.node.func)

    def referenced_names(self) -> Mapping[str, Any]:
        """Return what is bound, and the globals and closure variables of the function, for messages."""
        return {**self.bound, **global_names(self.node.func)}

    def execute(self, inputs: NodeInputs, control: ParentAttempt) -> NodeResult:
        """Call the function.  Its exceptions propagate.  Raises EncodingError for an output, NodeReturnError.

        Chunks it streams have no listener here, as in every run that is executed in the background.
        """
        node, call = self.node, NodeCall(self.node, self.bound, self.signal_count)
        given = {name: stored.copy() for name, stored in inputs.groups[INPUT_GROUP].items()}
        values = call.add_default_inputs(given)
        if isinstance(node, InterruptNode):
            shown = call.invoke(values)
            shown = run_awaitable(shown) if node.is_async else call.resolve_returned(shown)
            return NodeResult(question=Question(encode_prompt(node, shown)))
        with in_attempt(control):
            if node.is_async:
                return encode_outputs(node, run_awaitable(call_function_async(call, values, None, None)))
            return encode_outputs(node, call_function(call, values, None, None))


def check_decision(node: Node, decision: tuple[str, ...] | None) -> None:
    """Check the decision of a node of another process.  Raises BadAnswer."""
    if not isinstance(node, GateNode):
        if decision is not None:
            raise BadAnswer(f"node {node.name!r} decided, and it is no gate")
        return
    targets = {target_text(target) for target in node.targets}
    if decision is None or not set(decision) <= targets or (len(decision) > 1 and not node.multi_target):
        raise BadAnswer(f"gate {node.name!r} decided for what is none of its targets")
