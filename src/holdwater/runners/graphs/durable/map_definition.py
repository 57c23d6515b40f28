"""The definition of the run of a durable map: one node, which lasts as long as its caller runs items."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol

from holdwater.errors import NodeFailure, TaskCancelled
from holdwater.graphs.definition import GraphWorkflowDefinition
from holdwater.graphs.run_data import GraphStyle, GraphView
from holdwater.model.base_definition import BaseDefinition
from holdwater.model.map_items import MAP_INPUT, MAP_NODE, MAP_OUTPUTS, MAP_VARIANT, map_workflow_name
from holdwater.model.plan import Plan, PlanNode, Read
from holdwater.model.policies import NodePolicy
from holdwater.model.ports.definition import AuthoringStyle
from holdwater.model.results import NodeResult
from holdwater.model.values import StoredValue
from holdwater.model.workflow_description import ANY_OBJECT, WorkflowDescription

if TYPE_CHECKING:
    from holdwater.graphs.graph_protocol import GraphProtocol

_ONE_ATTEMPT: Final = NodePolicy()


class ItemsCaller(Protocol):
    """The call that runs the items of a map in this process."""

    def attend(self, control: Any) -> NodeResult:
        """Wait until the items are done.  Raises NodeFailure, TaskCancelled, the error that ended the call."""
        ...


class MapDefinition(BaseDefinition):
    """The definition of maps over one graph.  Its structure is that of the graph.

    The node executes nothing itself: it waits for the call that started it, whose process runs the items.
    """

    style: AuthoringStyle = GraphStyle()

    def __init__(self, graph: GraphProtocol, find_call: Callable[[str], ItemsCaller | None]) -> None:
        self._graph, self._find_call = graph, find_call
        name = graph.name or "graph"
        structure = GraphWorkflowDefinition(graph, name).plan.structure
        node = PlanNode(MAP_NODE, reads=(Read(MAP_INPUT, (MAP_INPUT,)),), writes=MAP_OUTPUTS)
        self.plan: Plan = Plan(
            map_workflow_name(name), (node,), style="graphs", inputs=(MAP_INPUT,), variant=MAP_VARIANT + structure
        )

    @property
    def code_fingerprint(self) -> str:
        """Fingerprint of the graph's functions, 16 hex digits."""
        return self._graph.code_hash[:16]

    def encode_inputs(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Build the initial cells."""
        return {name: StoredValue.encode(value) for name, value in inputs.items()}

    def describe(self) -> WorkflowDescription:
        """Describe it: its runs are started by `map`, and by nothing else."""
        return WorkflowDescription(f"map over graph {self._graph.name!r}", (), (), dict(ANY_OBJECT))

    def policy(self, node: int) -> NodePolicy:
        """Return the policy of one attempt: a map is called again by its user."""
        return _ONE_ATTEMPT

    def is_async(self, node: int) -> bool:
        """Return False: a thread waits for the caller."""
        return False

    def routing_key(self, node: int) -> str:
        """Return `graph.map::items`."""
        return f"{self.plan.name}::{MAP_NODE}"

    def executor_name(self, node: int) -> str | None:
        """Return None: the default executor."""
        return None

    def execute(self, node: int, view: GraphView, control: Any) -> NodeResult:
        """Wait until the caller has run its items; returns the counts.

        Raises NodeFailure if items have failed or there is no caller, TaskCancelled, the error that ended the call.
        """
        call = self._find_call(control.run_id)
        if call is None:  # it was resumed by a command, and its caller is gone
            raise NodeFailure(
                "MAP", "no call of map() runs its items here: call it again with this workflow_id", final=True
            )
        return call.attend(control)

    async def execute_async(self, node: int, view: GraphView, control: Any) -> NodeResult:
        """Not called: `is_async` is False.  Raises TaskCancelled."""
        raise TaskCancelled("the items of a map run in its caller")
