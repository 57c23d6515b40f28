"""The description of a graph for the catalog: its functions, inputs, answers, and the plans of its runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from holdwater.graphs.declared_inputs import inputs_schema, seed_combinations
from holdwater.graphs.graph_picture import gate_branches
from holdwater.graphs.nodes.gates import GateNode
from holdwater.graphs.nodes.interrupts import InterruptNode
from holdwater.model.plan import Plan
from holdwater.model.workflow_description import PlanVariant, WorkflowDescription

if TYPE_CHECKING:
    from holdwater.graphs.graph_protocol import GraphProtocol
    from holdwater.graphs.nodes.base import Node

PlanForNames = Callable[[tuple[str, ...]], Plan]
"""names of given inputs -> the plan of a run that is given them"""


def describe_graph_workflow(graph: GraphProtocol, nodes: Sequence[Node], plan_for: PlanForNames) -> WorkflowDescription:
    """Describe a graph.  `nodes`: those of its plan."""
    return WorkflowDescription(
        functions=tuple([getattr(node, "func", None) for node in nodes]),
        inputs_schema=inputs_schema(graph),
        answer_schemas={
            i: node.answer_schema
            for i, node in enumerate(nodes)
            if isinstance(node, InterruptNode) and node.answer_schema is not None
        },
        branches={i: gate_branches(node) for i, node in enumerate(nodes) if isinstance(node, GateNode)},
        variants=tuple(_seed_variants(graph, plan_for)),
        bound_inputs=tuple(sorted(graph.bound)),
    )


def _seed_variants(graph: GraphProtocol, plan_for: PlanForNames) -> Iterator[PlanVariant]:
    for names in seed_combinations(graph):
        scope = graph.scope(provided=names)
        if not scope.ambiguous_entries:
            yield PlanVariant(names, plan_for(names), scope.inputs.required)
