"""The definition of a graph as the engine runs it: node by node, recorded."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from holdwater.errors import BadAnswer, HoldwaterError, NodeFailure, TaskNotPortable
from holdwater.graphs.compile import CompiledGraph, compile_graph
from holdwater.graphs.declared_inputs import convert_inputs
from holdwater.graphs.inputs import flatten_inputs, resolve_inputs
from holdwater.graphs.map_items import expand_items
from holdwater.graphs.node_call import NodeCacheProtocol, call_function, call_function_async
from holdwater.graphs.node_listener import NodeListener
from holdwater.graphs.nodes.call_node import CallNode
from holdwater.graphs.nodes.interrupts import InterruptNode
from holdwater.graphs.nodes.nested import GraphNode
from holdwater.graphs.remote import PicklableNode, check_decision
from holdwater.graphs.run_data import GraphStyle, GraphView
from holdwater.graphs.stored_outputs import NONE_VALUE, encode_labelled, encode_outputs, encode_prompt
from holdwater.graphs.streaming_context import ParentAttempt, in_attempt
from holdwater.graphs.workflow_description import describe_graph_workflow
from holdwater.model.cancellation_token import is_cancellation, is_task_cancelled, to_node_failure
from holdwater.model.error_report import ErrorText
from holdwater.model.fanout import ChildResult, ChildRunsRequest
from holdwater.model.input_requests import InvalidValue, Question
from holdwater.model.plan import Plan
from holdwater.model.policies import NodePolicy
from holdwater.model.ports.definition import AuthoringStyle, CodeReference, PortableTask, WorkflowDefinition
from holdwater.model.resources import NO_RESOURCES, Resources
from holdwater.model.results import NodeResult
from holdwater.model.rules import MISSING
from holdwater.model.values import StoredValue, stored_list
from holdwater.model.workflow_description import WorkflowDescription

if TYPE_CHECKING:
    from holdwater.graphs.graph_protocol import GraphProtocol
    from holdwater.graphs.nodes.base import Node

T = TypeVar("T")
MAX_CONCURRENT_ITEMS: Final = 1000
"""upper bound of the concurrent items of one map"""


class RunEnvironment(Protocol):
    """The caller of a run in this process: event listener, cache, and answers to interrupts.

    `listener`: gets the events of its nodes.  `node_cache`: the cache of results between runs.
    """

    @property
    def listener(self) -> NodeListener | None: ...

    @property
    def node_cache(self) -> NodeCacheProtocol | None: ...

    def run_sync(self, function: Callable[[], T]) -> T:
        """Call a plain function, when the limit of concurrency permits."""
        ...

    def run_in_caller_loop(self, function: Callable[[], Coroutine[Any, Any, T]]) -> Awaitable[T]:
        """Await a coroutine in the event loop of the caller, when the limit of concurrency permits."""
        ...

    def early_answer(self, node: InterruptNode[..., Any]) -> tuple[Any] | None:
        """Return the answer given with the inputs, for the first request of an interrupt, which is not called then."""
        ...

    def handler_answer(self, node: InterruptNode[..., Any], value: Any) -> tuple[Any] | None:
        """Return the answer of a handler to an interrupt; None if the run has to pause."""
        ...

    def node_failed(self, node: Node, error: Exception) -> None:
        """Report that a node's function raised."""
        ...

    def children_started(self, node: GraphNode, inputs: Mapping[str, Any]) -> None:
        """Report that the runs of a nested graph start."""
        ...

    def children_finished(self, node: GraphNode, outputs: Mapping[str, StoredValue], error: Exception | None) -> None:
        """Report that the runs of a nested graph have ended."""
        ...


def _no_environment(run_id: str) -> RunEnvironment | None:
    return None


class GraphWorkflowDefinition:
    """The definition of a graph in one scope.  `name`: of its plan, and the prefix of those of nested graphs."""

    style: AuthoringStyle = GraphStyle()
    has_code = True
    release: str | None = None
    """code of this process"""

    def __init__(
        self,
        graph: GraphProtocol,
        name: str,
        get_environment: Callable[[str], RunEnvironment | None] = _no_environment,
        variant: str = "",
    ) -> None:
        provided, max_iterations = json.loads(variant) if variant else ((), None)
        self.graph = graph
        self._get_environment = get_environment
        self._compiled: CompiledGraph = compile_graph(graph, graph.scope(provided=tuple(provided)))
        nodes = self._compiled.nodes
        self.plan: Plan = replace(
            self._compiled.compiled_plan.plan,
            name=name,
            variant=variant,
            max_iterations=max_iterations,
            nodes=tuple(
                replace(planned, kind="fan_out") if isinstance(node, GraphNode) else planned
                for planned, node in zip(self._compiled.compiled_plan.plan.nodes, nodes, strict=True)
            ),
        )
        self._nodes = nodes
        self._variants: dict[str, GraphWorkflowDefinition] = {variant: self}

    @property
    def code_fingerprint(self) -> str:
        """Fingerprint of all its functions, 16 hex digits."""
        return self.graph.code_hash[:16]

    # -- variants: the given names select the entries of a graph

    def specialize(self, inputs: Any) -> GraphWorkflowDefinition:
        """Return the variant for runs with inputs of these names."""
        return self.variant(self.variant_description(inputs or ()))

    def variant_description(self, input_names: Iterable[str], max_iterations: int | None = None) -> str:
        """Describe the variant: the given names that nodes also write, and the limit of iterations; "" for neither."""
        made = self.graph.wiring.writers
        names = sorted([name for name in input_names if name in made])
        return json.dumps([names, max_iterations]) if names or max_iterations is not None else ""

    def variant(self, description: str) -> GraphWorkflowDefinition:
        """Return the variant with this description."""
        found = self._variants.get(description)
        if found is None:
            found = GraphWorkflowDefinition(self.graph, self.plan.name, self._get_environment, description)
            found._variants = self._variants
            self._variants[description] = found
        return found

    # -- the definition

    def select_inputs(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """Select the values of its unbound inputs; outputs of its nodes are not inputs."""
        graph = self.graph
        open_ = {*graph.inputs.all, *graph.namespaces} - graph.bound.keys()
        return {name: value for name, value in values.items() if name in open_}

    def encode_inputs(self, inputs: Any) -> dict[str, Any]:
        """Build the initial cells.  Raises MissingInputError, InputError, EncodingError."""
        given = flatten_inputs(self.graph, inputs or {})
        values = resolve_inputs(self.graph, given).values
        known = self._compiled.input_names
        return {
            name: encode_labelled(value, f"input {name!r}")
            for name, value in values.items()
            if name in known and name in given
        }

    def validate_inputs(self, cells: dict[str, Any], *, strict: bool = False) -> dict[str, Any]:
        """Convert the cells of inputs that a process without this code gave; invalid ones are marked."""
        return convert_inputs(self.graph, cells, strict=strict)

    def describe(self) -> WorkflowDescription:
        """Describe the graph with its inputs, and the plans of runs that are given what its loops begin with."""
        return describe_graph_workflow(
            self.graph, self._nodes, lambda names: self.variant(self.variant_description(names)).plan
        )

    def policy(self, node: int) -> NodePolicy:
        """Return retries and time-out of a node."""
        one = self._nodes[node]
        policy = NodePolicy(limit=one.limit) if one.retry is None else NodePolicy(retry=one.retry, limit=one.limit)
        return policy if one.timeout is None else replace(policy, timeout_seconds=one.timeout)

    @cached_property
    def node_limits(self) -> Mapping[int, str]:
        """Return the names of the limits of nodes."""
        return {i: one.limit for i, one in enumerate(self._nodes) if one.limit is not None}

    def is_async(self, node: int) -> bool:
        """Return True if the node's function must be awaited."""
        return self._nodes[node].is_async and not isinstance(self._nodes[node], GraphNode)

    def routing_key(self, node: int) -> str:
        """Return the full name of a node, `public::embedded::graph::node`."""
        return f"public::embedded::{self.plan.name}::{self._nodes[node].name}"

    def executor_name(self, node: int) -> str | None:
        """Return None: the runner decides."""
        return None

    def resources(self, node: int) -> Resources:
        """Return no request for resources."""
        return NO_RESOURCES

    def child_definitions(self) -> Mapping[int, WorkflowDefinition]:
        """Return the definitions of nested graphs, by node."""
        return self._child_definitions

    @cached_property
    def _child_definitions(self) -> dict[int, WorkflowDefinition]:
        return {
            i: GraphWorkflowDefinition(node.graph, f"{self.plan.name}/{node.name}", self._get_environment)
            for i, node in enumerate(self._nodes)
            if isinstance(node, GraphNode)
        }

    def runs_user_code(self, node: int, view: GraphView) -> bool:
        """Return False for a nested graph, whose runs the engine starts and collects."""
        return not isinstance(self._nodes[node], GraphNode)

    def portable_task(self, node: int) -> PortableTask:
        """Return the node in a form that can be pickled.  Raises TaskNotPortable for a nested graph."""
        one = self._nodes[node]
        if not isinstance(one, CallNode):
            raise TaskNotPortable(
                f"node {one.name!r} of graph {self.plan.name!r} is a graph, which is not sent as a whole",
                hint="route the nodes inside it",
            )
        bound = {name: value for name, value in self.graph.bound.items() if name in one.inputs}
        return PicklableNode(one, bound, len(self.plan.nodes[node].writes) - len(one.outputs))

    def code_reference(self, node: int) -> CodeReference | None:
        """Return None: the functions are in this process."""
        return None

    def accept_result(self, node: int, view: GraphView, result: NodeResult) -> NodeResult:
        """Check a result of another process; a question gets the schema of its answers.  Raises BadAnswer."""
        one = self._nodes[node]
        if result.question is not None:
            assert isinstance(one, InterruptNode)
            return NodeResult(question=Question(result.question.prompt, one.answer_schema))
        if result.wait_until is not None or (isinstance(one, InterruptNode) and result.values):
            raise BadAnswer(f"node {one.name!r} gave or asked for what it cannot")
        if result.child_runs is None:
            check_decision(one, result.decision)
        return result

    # -- functions of nodes

    def execute(self, node: int, view: GraphView, control: Any) -> NodeResult:
        """Call the node's function.  Its exceptions propagate.  Raises EncodingError for an output, NodeReturnError."""
        around = self._get_environment(control.run_id)
        if around is None:
            return self._call_node(node, view, control, None)
        try:
            return self._call_node(node, view, control, around)
        except Exception as error:
            around.node_failed(self._nodes[node], error)
            raise

    def _call_node(
        self, node: int, view: GraphView, control: ParentAttempt, environment: RunEnvironment | None
    ) -> NodeResult:
        one = self._nodes[node]
        if isinstance(one, GraphNode) and view.child_results is not None:
            return self._finish_child_runs(one, view.child_results, environment)
        call, inputs = self._compiled.calls[node], self._node_inputs(node, view)
        if isinstance(one, GraphNode):
            return self._request_child_runs(one, inputs, environment)
        if isinstance(one, InterruptNode):
            before = self._use_early_answer(node, one, environment)
            if before is not None:
                return before
            return self._request_input(node, call.resolve_returned(call.invoke(inputs)), environment)
        listener, memo = (None, None) if environment is None else (environment.listener, environment.node_cache)

        def body() -> NodeResult:
            with in_attempt(control):
                return call_function(call, inputs, listener, memo)

        return encode_outputs(one, body() if environment is None else environment.run_sync(body))

    async def execute_async(self, node: int, view: GraphView, control: Any) -> NodeResult:
        """Execute as `execute` does, for a coroutine function or an async generator."""
        around = self._get_environment(control.run_id)
        try:
            return await self._call_node_async(node, view, control, around)
        except BaseException as raised:
            if is_cancellation(raised) and is_task_cancelled():
                raise
            error = to_node_failure(raised)
            if around is not None:
                around.node_failed(self._nodes[node], error)
            if error is raised:
                raise
            raise error from raised

    async def _call_node_async(
        self, node: int, view: GraphView, control: ParentAttempt, environment: RunEnvironment | None
    ) -> NodeResult:
        one, inputs, call = self._nodes[node], self._node_inputs(node, view), self._compiled.calls[node]
        if isinstance(one, InterruptNode):
            before = self._use_early_answer(node, one, environment)
            if before is not None:
                return before
            shown = await (
                call.invoke(inputs)
                if environment is None
                else environment.run_in_caller_loop(lambda: call.invoke(inputs))
            )
            return await asyncio.to_thread(self._request_input, node, shown, environment)
        listener, memo = (None, None) if environment is None else (environment.listener, environment.node_cache)

        async def body() -> NodeResult:
            with in_attempt(control):
                return await call_function_async(call, inputs, listener, memo)

        return encode_outputs(one, await (body() if environment is None else environment.run_in_caller_loop(body)))

    def on_failure(self, node: int, view: GraphView, error: ErrorText) -> tuple[str, ...]:
        """Return no notes: nodes have no observers."""
        return ()

    def _node_inputs(self, node: int, view: GraphView) -> dict[str, Any]:
        given = {name: stored.copy() for name, stored in view.values.items()}
        return self._compiled.calls[node].add_default_inputs(given)

    # -- interrupts

    def _request_input(self, node: int, value: Any, environment: RunEnvironment | None) -> NodeResult:
        one = self._nodes[node]
        assert isinstance(one, InterruptNode)
        answer = None if environment is None else environment.handler_answer(one, value)
        if answer is None:
            return NodeResult(question=Question(encode_prompt(one, value), one.answer_schema))
        return NodeResult(self.encode_answer(node, answer[0]))

    def _use_early_answer(
        self, node: int, interrupt_node: InterruptNode[..., Any], environment: RunEnvironment | None
    ) -> NodeResult | None:
        answer = None if environment is None else environment.early_answer(interrupt_node)
        return None if answer is None else NodeResult(self.encode_answer(node, answer[0]))

    def encode_answer(self, node: int, value: Any) -> tuple[StoredValue, ...]:
        """Build the cells of an answer.  Raises AnswerError, EncodingError."""
        one = self._nodes[node]
        assert isinstance(one, InterruptNode)
        value = one.parse_answer(value)
        signals = len(self.plan.nodes[node].writes) - 1
        return (encode_labelled(value, f"the answer {one.response_param!r}"), *[NONE_VALUE] * signals)

    def validate_answer(self, node: int, cells: tuple[Any, ...]) -> tuple[Any, ...]:
        """Convert the cells of an answer given as JSON by a process without this code; invalid ones are marked."""
        given: StoredValue = cells[0]
        try:
            return self.encode_answer(node, given.copy())
        except HoldwaterError as error:
            return (InvalidValue(given, error), *cells[1:])

    # -- nested graphs

    def _request_child_runs(
        self, node: GraphNode, inputs: dict[str, Any], environment: RunEnvironment | None
    ) -> NodeResult:
        if environment is not None:
            environment.children_started(node, inputs)
        config = node.map_config
        if config is None:
            items = [node.inner_inputs(inputs)]
        else:
            given = expand_items(inputs, config.params, config.mode, config.clone)
            items = [node.inner_inputs(item) for item in given]
        stop = config is None or config.error_handling == "raise"
        cells = tuple(
            {name: encode_labelled(value, f"input {name!r} of {node.name!r}") for name, value in item.items()}
            for item in items
        )
        return NodeResult(child_runs=ChildRunsRequest(cells, None if config is None else MAX_CONCURRENT_ITEMS, stop))

    def _finish_child_runs(
        self, node: GraphNode, child_results: tuple[ChildResult | None, ...], environment: RunEnvironment | None
    ) -> NodeResult:
        try:
            values = self._merge_child_results(node, child_results)
        except NodeFailure as error:
            if environment is not None:
                environment.children_finished(node, {}, error)
            raise
        if environment is not None:
            made = {name: value for name, value in zip(node.outputs, values) if value is not MISSING}
            environment.children_finished(node, made, None)
        return NodeResult(values)

    def _merge_child_results(
        self, node: GraphNode, child_results: tuple[ChildResult | None, ...]
    ) -> tuple[StoredValue, ...]:
        config = node.map_config
        failed = [(k, one) for k, one in enumerate(child_results) if one is not None and one.status != "completed"]
        if failed and (config is None or config.error_handling == "raise"):
            k, one = min(failed, key=lambda item: item[1].status != "failed")  # others were cancelled because of it
            where = f"{node.name}[{k}]" if config is not None else node.name
            raise NodeFailure("CHILD", f"{where}: {one.error}")
        given = [node.outer_outputs(one.values) if one and one.status == "completed" else {} for one in child_results]
        if config is None:
            return tuple([given[0].get(name, MISSING) for name in node.outputs])
        return tuple([stored_list([one.get(name, NONE_VALUE) for one in given]) for name in node.outputs])
