"""A graph as the engine runs it: node by node, on the record."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from holdwater.errors import EncodingError, HoldwaterError, NodeFailure, TaskNotPortable
from holdwater.graphs.compile import Compiled, compiled
from holdwater.graphs.inputs import resolve_inputs
from holdwater.graphs.map_items import expanded
from holdwater.graphs.node_call import Listener, Memo, Parent, on_record, perform, perform_async
from holdwater.graphs.node_call import Performance as Performed
from holdwater.graphs.nodes.interrupts import InterruptNode
from holdwater.graphs.nodes.nested import GraphNode
from holdwater.graphs.run_data import GraphStyle, GraphView
from holdwater.model.cancellation import failure_of, is_cancellation, is_task_cancelled
from holdwater.model.error_report import ErrorText
from holdwater.model.fanout import Outcome, Spread
from holdwater.model.input_requests import Question, UnusableAnswer
from holdwater.model.plan import Plan
from holdwater.model.policies import NodePolicy
from holdwater.model.ports import Body, Program, Style
from holdwater.model.rules import MISSING
from holdwater.model.values import Stored

if TYPE_CHECKING:
    from holdwater.graphs.graph import Graph
    from holdwater.graphs.nodes.base import Node

T = TypeVar("T")
WIDTH: Final = 1000
"""items of one map that run at once, whatever was asked for"""
_NOTHING: Final = Stored.of(None)


@dataclass(slots=True)
class GraphPerformance:
    """What a node gave."""

    values: tuple[Stored, ...] = ()
    decision: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()
    question: Question | None = None
    spread: Spread | None = None
    wait_until: int | None = None


class Surroundings(Protocol):
    """What one run of a graph has in this process beside its record: whoever called for it.

    `listener`: who hears of its nodes; `memo`: where performances are kept between runs.
    """

    @property
    def listener(self) -> Listener | None: ...

    @property
    def memo(self) -> Memo | None: ...

    def call(self, body: Callable[[], T]) -> T:
        """Call a plain body, when it may run."""
        ...

    def carry(self, body: Callable[[], Coroutine[Any, Any, T]]) -> Awaitable[T]:
        """Await a body where coroutines of this run are awaited, when it may run."""
        ...

    def answered_before(self, node: InterruptNode[..., Any]) -> tuple[Any] | None:
        """The answer that was given with the inputs, for the first time it would ask: it is not called then."""
        ...

    def answered(self, node: InterruptNode[..., Any], shown: Any) -> tuple[Any] | None:
        """The answer to an interrupt, if it can be had without a pause."""
        ...

    def raised(self, node: Node, error: Exception) -> None:
        """A body of the run raised."""
        ...

    def unfolded(self, node: GraphNode, inputs: Mapping[str, Any]) -> None:
        """The runs of a nested graph begin."""
        ...

    def folded(self, node: GraphNode, outputs: Mapping[str, Stored], error: Exception | None) -> None:
        """They have ended."""
        ...


def _nobody(run_id: str) -> Surroundings | None:
    return None


class GraphProgram:
    """The program of a graph in one scope.  `name`: of its plan; those of nested graphs begin with it."""

    style: Style = GraphStyle()

    def __init__(
        self,
        graph: Graph,
        name: str,
        surroundings: Callable[[str], Surroundings | None] = _nobody,
        variant: str = "",
    ) -> None:
        provided, max_iterations = json.loads(variant) if variant else ((), None)
        self.graph = graph
        self._surroundings = surroundings
        self._compiled: Compiled = compiled(graph, graph.scope(provided=tuple(provided)))
        nodes = self._compiled.nodes
        self.plan: Plan = replace(
            self._compiled.layout.plan,
            name=name,
            variant=variant,
            max_iterations=max_iterations,
            nodes=tuple(
                replace(planned, kind="fan") if isinstance(node, GraphNode) else planned
                for planned, node in zip(self._compiled.layout.plan.nodes, nodes, strict=True)
            ),
        )
        self._nodes = nodes
        self._variants: dict[str, GraphProgram] = {variant: self}

    @property
    def code(self) -> str:
        """Fingerprint of all functions in it: 16 hex digits."""
        return self.graph.code_hash[:16]

    # -- variants: what is given decides where a graph begins

    def chosen(self, inputs: Any) -> GraphProgram:
        """The variant for runs that are given inputs of these names."""
        return self.variant(self.description(inputs or ()))

    def description(self, given: Iterable[str], max_iterations: int | None = None) -> str:
        """What tells variants apart: given names that nodes also make change the way, and so does a limit of loops."""
        made = self.graph.wiring.writers
        names = sorted([name for name in given if name in made])
        return json.dumps([names, max_iterations]) if names or max_iterations is not None else ""

    def variant(self, description: str) -> GraphProgram:
        """The variant whose plan describes itself so."""
        found = self._variants.get(description)
        if found is None:
            found = GraphProgram(self.graph, self.plan.name, self._surroundings, description)
            found._variants = self._variants
            self._variants[description] = found
        return found

    # -- the definition

    def inputs_among(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """Its inputs that are not bound; what its nodes make themselves is none."""
        graph = self.graph
        open_ = {*graph.inputs.all, *graph.namespaces} - graph.bound.keys()
        return {name: value for name, value in values.items() if name in open_}

    def start(self, inputs: Any) -> dict[str, Any]:
        """The given inputs as cells.  Raises MissingInputError, InputError, EncodingError."""
        given = dict(inputs or {})
        values = resolve_inputs(self.graph, given).values
        known = self._compiled.known
        return {
            name: _stored(value, f"input {name!r}") for name, value in values.items() if name in known and name in given
        }

    def policy(self, node: int) -> NodePolicy:
        """Retries and time-out of a node."""
        one = self._nodes[node]
        policy = NodePolicy() if one.retry is None else NodePolicy(retry=one.retry)
        return policy if one.timeout is None else replace(policy, timeout_s=one.timeout)

    def is_async(self, node: int) -> bool:
        """Whether the body is to be awaited."""
        return self._nodes[node].is_async and not isinstance(self._nodes[node], GraphNode)

    def full_name(self, node: int) -> str:
        """`graph::node`."""
        return f"{self.plan.name}::{self._nodes[node].name}"

    def executor(self, node: int) -> str | None:
        """Left to the runner."""
        return None

    def children(self) -> Mapping[int, Program]:
        """The graphs nested in this one."""
        return self._children

    @cached_property
    def _children(self) -> dict[int, Program]:
        return {
            i: GraphProgram(node.graph, f"{self.plan.name}/{node.name}", self._surroundings)
            for i, node in enumerate(self._nodes)
            if isinstance(node, GraphNode)
        }

    def body(self, node: int) -> Body:
        """Raises TaskNotPortable."""
        raise self._immovable(node)

    def send(self, node: int, view: GraphView) -> tuple[bytes, list[Any]]:
        """Raises TaskNotPortable."""
        raise self._immovable(node)

    def receive(self, node: int, view: GraphView, answer: bytes) -> GraphPerformance:
        """Raises TaskNotPortable."""
        raise self._immovable(node)

    def _immovable(self, node: int) -> TaskNotPortable:
        return TaskNotPortable(
            f"node {self.plan.nodes[node].name!r} of graph {self.plan.name!r} runs in this process only",
            hint="route it to a thread executor",
        )

    # -- bodies

    def perform(self, node: int, view: GraphView, control: Any) -> GraphPerformance:
        """Call the node's function.  What it raises comes out; EncodingError for what cannot be stored."""
        around = self._surroundings(control.run_id)
        if around is None:
            return self._performed(node, view, control, None)
        try:
            return self._performed(node, view, control, around)
        except Exception as error:
            around.raised(self._nodes[node], error)
            raise

    def _performed(self, node: int, view: GraphView, control: Parent, around: Surroundings | None) -> GraphPerformance:
        one = self._nodes[node]
        if isinstance(one, GraphNode) and view.outcomes is not None:
            return self._gathered(one, view.outcomes, around)
        call, inputs = self._compiled.calls[node], self._inputs(node, view)
        if isinstance(one, GraphNode):
            return self._spread(one, inputs, around)
        if isinstance(one, InterruptNode):
            before = self._answered_before(node, one, around)
            if before is not None:
                return before
            return self._asked(node, call.settled(call.raw(inputs)), around)
        listener, memo = (None, None) if around is None else (around.listener, around.memo)

        def body() -> Performed:
            with on_record(control):
                return perform(call, inputs, listener, memo)

        return self._recorded(one, body() if around is None else around.call(body))

    async def perform_async(self, node: int, view: GraphView, control: Any) -> GraphPerformance:
        """Like `perform`, for a coroutine function or an async generator."""
        around = self._surroundings(control.run_id)
        try:
            return await self._performed_async(node, view, control, around)
        except BaseException as raised:
            if is_cancellation(raised) and is_task_cancelled():
                raise
            error = failure_of(raised)
            if around is not None:
                around.raised(self._nodes[node], error)
            if error is raised:
                raise
            raise error from raised

    async def _performed_async(
        self, node: int, view: GraphView, control: Parent, around: Surroundings | None
    ) -> GraphPerformance:
        one, inputs, call = self._nodes[node], self._inputs(node, view), self._compiled.calls[node]
        if isinstance(one, InterruptNode):
            before = self._answered_before(node, one, around)
            if before is not None:
                return before
            shown = await (call.raw(inputs) if around is None else around.carry(lambda: call.raw(inputs)))
            return await asyncio.to_thread(self._asked, node, shown, around)
        listener, memo = (None, None) if around is None else (around.listener, around.memo)

        async def body() -> Performed:
            with on_record(control):
                return await perform_async(call, inputs, listener, memo)

        return self._recorded(one, await (body() if around is None else around.carry(body)))

    def failed(self, node: int, view: GraphView, error: ErrorText) -> tuple[str, ...]:
        """Nodes have no observers of their own."""
        return ()

    def _inputs(self, node: int, view: GraphView) -> dict[str, Any]:
        given = {name: stored.copy() for name, stored in view.values.items()}
        return self._compiled.calls[node].complete(given)

    def _recorded(self, node: Node, done: Performed) -> GraphPerformance:
        outputs = node.data_outputs
        values = [_stored(value, f"output {name!r} of {node.name!r}") for name, value in zip(outputs, done.values)]
        return GraphPerformance((*values, *[_NOTHING] * (len(done.values) - len(outputs))), done.decision)

    # -- interrupts

    def _asked(self, node: int, shown: Any, around: Surroundings | None) -> GraphPerformance:
        one = self._nodes[node]
        assert isinstance(one, InterruptNode)
        answer = None if around is None else around.answered(one, shown)
        if answer is None:
            return GraphPerformance(question=Question(_stored(shown, f"what {one.name!r} shows"), one.answer_schema))
        return GraphPerformance(self.answer(node, answer[0]))

    def _answered_before(
        self, node: int, one: InterruptNode[..., Any], around: Surroundings | None
    ) -> GraphPerformance | None:
        answer = None if around is None else around.answered_before(one)
        return None if answer is None else GraphPerformance(self.answer(node, answer[0]))

    def answer(self, node: int, value: Any) -> tuple[Stored, ...]:
        """The cells of an answer.  Raises AnswerError, EncodingError."""
        one = self._nodes[node]
        assert isinstance(one, InterruptNode)
        value = one.accept(value)
        signals = len(self.plan.nodes[node].writes) - 1
        return (_stored(value, f"the answer {one.response_param!r}"), *[_NOTHING] * signals)

    def accepted(self, node: int, cells: tuple[Any, ...]) -> tuple[Any, ...]:
        """The cells of an answer that was given as JSON, without this code; unusable ones if it is of a wrong type."""
        given: Stored = cells[0]
        try:
            return self.answer(node, given.copy())
        except HoldwaterError as error:
            return (UnusableAnswer(given, error), *cells[1:])

    # -- nested graphs

    def _spread(self, node: GraphNode, inputs: dict[str, Any], around: Surroundings | None) -> GraphPerformance:
        if around is not None:
            around.unfolded(node, inputs)
        config = node.map_config
        if config is None:
            items = [node.inner_inputs(inputs)]
        else:
            given = expanded(inputs, config.params, config.mode, config.clone)
            items = [node.inner_inputs(item) for item in given]
        stop = config is None or config.error_handling == "raise"
        cells = tuple(
            {name: _stored(value, f"input {name!r} of {node.name!r}") for name, value in item.items()} for item in items
        )
        return GraphPerformance(spread=Spread(cells, None if config is None else WIDTH, stop))

    def _gathered(
        self, node: GraphNode, outcomes: tuple[Outcome | None, ...], around: Surroundings | None
    ) -> GraphPerformance:
        try:
            values = self._folded(node, outcomes)
        except NodeFailure as error:
            if around is not None:
                around.folded(node, {}, error)
            raise
        if around is not None:
            made = {name: value for name, value in zip(node.outputs, values) if value is not MISSING}
            around.folded(node, made, None)
        return GraphPerformance(values)

    def _folded(self, node: GraphNode, outcomes: tuple[Outcome | None, ...]) -> tuple[Stored, ...]:
        config = node.map_config
        failed = [(k, one) for k, one in enumerate(outcomes) if one is not None and one.status != "completed"]
        if failed and (config is None or config.error_handling == "raise"):
            k, one = min(failed, key=lambda item: item[1].status != "failed")  # others were ended because of it
            where = f"{node.name}[{k}]" if config is not None else node.name
            raise NodeFailure("CHILD", f"{where}: {one.error}")
        given = [node.outer_outputs(one.values) if one and one.status == "completed" else {} for one in outcomes]
        if config is None:
            return tuple([given[0].get(name, MISSING) for name in node.outputs])
        return tuple([_listed([one.get(name, _NOTHING) for one in given]) for name in node.outputs])


def _stored(value: Any, what: str) -> Stored:
    try:
        return Stored.of(value)
    except EncodingError as error:
        raise EncodingError(f"{what}: {error.message}", path=error.path, hint=error.hint) from error


def _listed(values: list[Stored]) -> Stored:
    """The list of these values, without decoding them."""
    return Stored(text="[" + ",".join([value.text for value in values]) + "]")
