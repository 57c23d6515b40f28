"""Compilation of a graph in one scope to a plan, and to the calls of its nodes, which a plan cannot contain.

The inputs of a node never depend on which node finished first: in a loop it waits for every producer that can still
run in this iteration, elsewhere the machine waits.  A cell is named `producer/name`; the name of a signal's cell ends
in "/".  A name that is given and has no or several producers has a cell of its own beside theirs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from holdwater.graphs.build.digraph import Digraph
from holdwater.graphs.build.reaching_writers import find_unbranched_writers
from holdwater.graphs.node_call import NodeCall
from holdwater.graphs.nodes.gates import GateNode
from holdwater.graphs.nodes.nested import GraphNode
from holdwater.graphs.value_copies import copy_if_data
from holdwater.kernel import CompiledPlan, compile_plan
from holdwater.model.plan import NodeKind, Plan, PlanNode, Read
from holdwater.model.rules import AllOf, AnyOf, GateOpen, HasRun, Not, Rule

if TYPE_CHECKING:
    from holdwater.graphs.build.scope import Scope
    from holdwater.graphs.graph_protocol import GraphProtocol
    from holdwater.graphs.nodes.base import Node
    from holdwater.kernel import Machine

UNLIMITED_ITERATIONS: Final = -1
"""value of `Plan.max_iterations` for no limit"""


@dataclass(frozen=True, eq=False)
class CompiledGraph:
    """A graph in one scope, ready to run.  Tuples are indexed by the node's index in the plan."""

    graph: GraphProtocol
    scope: Scope
    compiled_plan: CompiledPlan
    nodes: tuple[Node, ...]
    calls: tuple[NodeCall, ...]
    outputs: tuple[tuple[str, tuple[int, ...]], ...]
    """name -> its cells; the latest write is the value"""
    partial_outputs: tuple[tuple[str, tuple[int, ...]], ...]
    """the same for a failed run"""

    def plan_with_limit(self, max_iterations: int | None) -> CompiledPlan:
        """Return the compiled plan with another limit of supersteps per loop; None: no limit."""
        limit = UNLIMITED_ITERATIONS if max_iterations is None else max_iterations
        if limit == self.compiled_plan.plan.max_iterations:
            return self.compiled_plan
        return replace(self.compiled_plan, plan=replace(self.compiled_plan.plan, max_iterations=limit))

    @cached_property
    def input_names(self) -> frozenset[str]:
        """Names of inputs a run accepts."""
        return frozenset(self.compiled_plan.plan.inputs)

    @cached_property
    def _single_cells(self) -> tuple[tuple[tuple[str, int], ...] | None, ...]:
        """Per node, (input, cell) of every data input; None unless each of them has exactly one cell."""
        return tuple(
            tuple((name, cells[0]) for name, cells in row) if all(len(cells) == 1 for _, cells in row) else None
            for row in self._input_cells
        )

    @cached_property
    def _input_cells(self) -> tuple[tuple[tuple[str, tuple[int, ...]], ...], ...]:
        return tuple(
            tuple(zip(node.inputs, reads, strict=False))  # those of signals come after the inputs and are left out
            for node, reads in zip(self.nodes, self.compiled_plan.read_cells, strict=True)
        )

    def node_inputs(self, m: Machine, i: int) -> dict[str, Any]:
        """Build the inputs of a node, by name.  Raises GraphConfigError for a default that cannot be copied."""
        stamp, values = m.versions, m.values
        given: dict[str, Any] = {}
        single = self._single_cells[i]
        if single is not None:
            for name, c in single:
                if stamp[c]:
                    given[name] = values[c]
        else:
            for name, cells in self._input_cells[i]:
                latest = max(cells, key=stamp.__getitem__)
                if stamp[latest]:
                    given[name] = values[latest]
        call = self.calls[i]
        if call.is_retried:
            bound = self.graph.bound
            given = {n: v if n in bound and v is bound[n] else copy_if_data(v) for n, v in given.items()}
        return call.add_default_inputs(given) if call.default_inputs else given

    def collect_outputs(self, m: Machine) -> dict[str, Any]:
        """Collect the outputs that were written or given; of a failed run `partial_outputs`."""
        stamp, values = m.versions, m.values
        made: dict[str, Any] = {}
        for name, cells in self.partial_outputs if m.errors else self.outputs:
            latest = cells[0] if len(cells) == 1 else max(cells, key=stamp.__getitem__)
            if stamp[latest]:
                made[name] = values[latest]
        return made


def compile_graph(graph: GraphProtocol, scope: Scope) -> CompiledGraph:
    """Compile a graph for one scope, in O(nodes + edges)."""
    return _Compiler(graph, scope).compile()


class _Compiler:
    def __init__(self, graph: GraphProtocol, scope: Scope) -> None:
        self.graph, self.scope = graph, scope
        self.nodes: dict[str, Node] = {name: graph.nodes[name] for name in scope.active}
        self.entry_names = frozenset(scope.entrypoints)
        self.gated_entries = frozenset(scope.gated_entries)
        supplied = frozenset(scope.supplied_outputs)
        self.shared = frozenset(graph.shared)
        self.writers: dict[str, list[str]] = {}
        for name, node in self.nodes.items():
            for out in node.outputs:
                self.writers.setdefault(out, []).append(name)
        self.input_sources: dict[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
            name: tuple(
                (p, () if p in supplied else tuple(m for m in graph.sources(name, p) if m in self.nodes))
                for p in node.inputs
            )
            for name, node in self.nodes.items()
        }
        self.signal_sources: dict[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
            name: tuple((p, makers) for p in node.wait_for if (makers := tuple(self.writers.get(p, ()))))
            for name, node in self.nodes.items()
        }
        self.gates_over: dict[str, list[GateNode[..., Any]]] = {name: [] for name in self.nodes}
        for node in self.nodes.values():
            if isinstance(node, GateNode):
                for target in node.targets:
                    if target in self.gates_over:
                        self.gates_over[target].append(node)
        self.explicit_predecessors = {
            name: tuple(before for before in graph.wiring.explicit_order.get(name, ()) if before in self.nodes)
            for name in self.nodes
        }
        self.aliases = dict(self._find_aliases())
        self.loop_index = self._find_loops() if graph.loops else {}
        self.order_signals = {before for name in self.nodes for before in self._order_in_loop(name)}
        """nodes that a declared edge puts before others in each iteration of a loop"""

    def _find_aliases(self) -> Iterator[tuple[str, str]]:
        """Yield (name, cell) of names stored in the cell of their only writer, even if given: the seeds of loops."""
        readers: dict[str, set[tuple[str, ...]]] = {}
        for row in self.input_sources.values():
            for p, makers in row:
                readers.setdefault(p, set()).add(makers)
        for name, written in self.writers.items():
            makers = tuple(written)
            if len(makers) == 1 and readers.get(name) == {makers}:
                yield name, f"{makers[0]}/{name}"

    def _find_loops(self) -> dict[str, int]:
        """Map each node of a loop to the index of its strongly connected component."""
        edges = [
            (before, name)
            for name in self.nodes
            for before in (*self._sources_and_predecessors(name), *[gate.name for gate in self.gates_over[name]])
        ]
        digraph = Digraph.from_edges(self.nodes, edges)
        return {name: u for name, u in digraph.component.items() if len(digraph.components[u]) > 1}

    @property
    def _plan_name(self) -> str:
        return self.graph.name or "graph"

    def _order_in_loop(self, name: str) -> tuple[str, ...]:
        """Return the nodes of the same loop that a declared edge puts before it in each iteration, for shared names."""
        if not self.shared or name not in self.loop_index or isinstance(self.nodes[name], GraphNode):
            return ()
        awaited = {maker for _, makers in self.signal_sources[name] for maker in makers}
        return tuple(
            before
            for before in self.explicit_predecessors[name]
            if self.loop_index.get(before) == self.loop_index[name]
            and before not in awaited
            and not isinstance(self.nodes[before], GraphNode)
            and self._can_all_run(before, name)
        )

    def _can_all_run(self, *names: str) -> bool:
        """Return True if no gate makes these nodes exclusive."""
        return find_unbranched_writers(self.graph.nodes, self.graph.wiring.digraph, names) is not None

    def _group_alternatives(self, names: tuple[str, ...]) -> list[tuple[str, ...]]:
        """Group nodes so that one gate opens at most one node of a group at a time."""
        groups: list[tuple[str, ...]] = []
        for name in names:
            for k, group in enumerate(groups):
                if not self._can_all_run(*group, name):
                    groups[k] = (*group, name)
                    break
            else:
                groups.append((name,))
        return groups

    def _sources_and_predecessors(self, name: str) -> Iterable[str]:
        """Return the writers of the node's inputs and its predecessors, without duplicates."""
        return dict.fromkeys(
            (*(m for _, makers in self.input_sources[name] for m in makers), *self._predecessors(name))
        )

    def _is_any_in_same_loop(self, name: str, others: Iterable[str]) -> bool:
        """Return True if one of the others is in the node's loop, or the node is in no loop."""
        return name not in self.loop_index or any(
            [self.loop_index.get(other) == self.loop_index[name] for other in others]
        )

    def _predecessors(self, name: str) -> Iterable[str]:
        """Return the nodes that run before it, if they run.  Writers of shared names are not among them."""
        own = [makers for p, makers in self.input_sources[name] if p not in self.shared]
        awaited = [makers for _, makers in self.signal_sources[name]]
        return dict.fromkeys((*(m for makers in (*own, *awaited) for m in makers), *self.explicit_predecessors[name]))

    def compile(self) -> CompiledGraph:
        read = dict.fromkeys(p for row in self.input_sources.values() for p, _ in row)
        # An output without readers can still be given instead of being written.
        given = dict.fromkeys((*read, *self.scope.supplied_outputs))
        plan = Plan(
            self._plan_name,
            tuple(self._plan_node(name, node) for name, node in self.nodes.items()),
            style="graphs",
            inputs=tuple(given),
            aliases={n: c for n, c in self.aliases.items() if n in given},
            max_iterations=UNLIMITED_ITERATIONS,
        )
        compiled_plan = compile_plan(plan)
        cell = compiled_plan.cell_index
        supplied = frozenset(self.scope.supplied_outputs)
        return CompiledGraph(
            self.graph,
            self.scope,
            compiled_plan,
            tuple(self.nodes.values()),
            tuple(
                NodeCall(node, self._bound_values_for(node), name in self.order_signals)
                for name, node in self.nodes.items()
            ),
            *[
                tuple((name, cells) for name in names if (cells := self._output_cells(name, supplied, cell)))
                for names in (self.scope.outputs, self.scope.partial_outputs)
            ],
        )

    def _bound_values_for(self, node: Node) -> Mapping[str, Any]:
        """Return the bound values of a node; a nested graph already contains the values bound inside it."""
        return self.graph.bound if isinstance(node, GraphNode) else self.graph.bound_values

    def _output_cells(self, output: str, supplied: frozenset[str], cell: Mapping[str, int]) -> tuple[int, ...]:
        if output in supplied:
            return (cell[output],)
        own = (cell[output],) if output in cell and output not in self.aliases else ()
        return (*own, *(cell[f"{m}/{output}"] for m in self.writers.get(output, ())))

    def _plan_node(self, name: str, node: Node) -> PlanNode:
        gated = bool(self.gates_over[name])
        shares = any(p in self.shared for p in node.inputs)
        asks = node.is_interrupt or (isinstance(node, GraphNode) and node.graph.has_interrupts)
        kind: NodeKind = "interrupt" if asks else "call"
        reads = [
            Read(
                p,
                (self.aliases[p],) if p in self.aliases else (p, *(f"{m}/{p}" for m in makers)),
                optional=p in self.graph.bound_values or node.has_default_for(p),
                # A node without a gate does not run again because of its own output, nor because of a shared name.
                triggers_rerun=p not in self.shared and (gated or p not in node.outputs),
            )
            for p, makers in self.input_sources[name]
        ]
        reads += [
            # A node before the loop signals once, for all iterations.
            Read(
                p,
                tuple(f"{m}/{p}/" for m in makers),
                triggers_rerun=shares,
                must_be_newer=self._is_any_in_same_loop(name, makers),
            )
            for p, makers in self.signal_sources[name]
        ]
        # In the first iteration no node of the loop has run before its entry.
        first = name in self.entry_names
        reads += [
            Read(f"after {' or '.join(one)}", tuple(f"{m}/" for m in one), optional=first, must_be_newer=True)
            for one in self._group_alternatives(self._order_in_loop(name))
        ]
        signals = (*(f"{name}/{out}/" for out in node.emit), *((f"{name}/",) if name in self.order_signals else ()))
        return PlanNode(
            name,
            kind=kind,
            after=self.explicit_predecessors[name],
            ready=self._ready_rule(name),
            reads=tuple(reads),
            writes=(*(f"{name}/{out}" for out in node.data_outputs), *signals),
            gates=tuple(gate.name for gate in self.gates_over[name]),
            targets=tuple(t for t in node.targets if t in self.nodes) if isinstance(node, GateNode) else (),
            multi=isinstance(node, GateNode) and node.multi_target,
        )

    def _gate_rule(self, name: str) -> Rule | None:
        """Build the rule that one of the node's gates has opened it."""
        rules: list[Rule] = [
            GateOpen(gate.name, name, gate.default_open and not self.entry_names) for gate in self.gates_over[name]
        ]
        if name in self.entry_names and name not in self.gated_entries:
            first = [
                gate
                for gate in self.gates_over[name]
                if self.loop_index.get(gate.name, -1) == self.loop_index.get(name)
            ]
            rules += [AllOf((HasRun(name, negated=True), HasRun(gate.name, negated=True))) for gate in first]
        return AnyOf(tuple(rules)) if rules else None

    def _ready_rule(self, name: str) -> Rule | None:
        """Build the rule of a node: opened by a gate, and, in a loop, no producer can still run in this iteration."""
        rules = [active] if (active := self._gate_rule(name)) else []
        waits: list[Rule] = []
        if name in self.loop_index:
            for source in self._predecessors(name):
                if source != name and self.loop_index.get(source) == self.loop_index[name]:
                    gate = self._gate_rule(source)
                    waits.append(AnyOf((HasRun(source), Not(gate))) if gate else HasRun(source))
        if waits:
            settled = AllOf(tuple(waits))
            rules.append(AnyOf((HasRun(name, negated=True), settled)) if name in self.entry_names else settled)
        return AllOf(tuple(rules)) if rules else None
