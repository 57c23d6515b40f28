"""Plans compiled from names to numbers: units in order, readers, compiled rules.  Once per plan."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import Final

from holdwater.errors import WorkflowError
from holdwater.kernel import predicates
from holdwater.kernel.predicates import RuleTest
from holdwater.kernel.scc import strongly_connected_components
from holdwater.model.plan import Plan
from holdwater.model.rules import After, GateOpen, HasRun, Rule, ValuePredicate, rule_leaves

RUN_INDEX: Final = -1
"""Stands for the run itself among the numbers of its nodes."""


@dataclass(frozen=True, slots=True)
class CompiledLoop:
    """A strongly connected component.

    `dependents`: node -> nodes to evaluate after it has run: itself, its readers, the nodes whose rules name it.
    `gates_of_gates`, `gated_by_gates`: a gate is reachable or not by all gates above it, so that after one of the
    former the latter are evaluated too: the nodes whose rules name a gate that has gates above it.
    """

    unit: int
    nodes: tuple[int, ...]
    dependents: dict[int, tuple[int, ...]]
    gates_of_gates: frozenset[int]
    gated_by_gates: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class CompiledPlan:
    """A plan by numbers.  Tuples are indexed by node unless said otherwise."""

    plan: Plan
    node_index: dict[str, int]
    """name -> node"""
    cell_index: dict[str, int]
    """cell name -> cell"""
    rule_tests: tuple[RuleTest | None, ...]
    value_predicates: tuple[tuple[ValuePredicate, ...], ...]
    """the value predicates of the node's rule, left to right"""
    write_cells: tuple[tuple[int, ...], ...]
    read_cells: tuple[tuple[tuple[int, ...], ...], ...]
    required_reads: tuple[tuple[tuple[int, ...], ...], ...]
    """the reads without which the node cannot run"""
    unit_of: tuple[int, ...]
    unit_members: tuple[tuple[int, ...], ...]
    """unit -> nodes; units stand in an order of their edges, and else in that of their definition"""
    loop_of: tuple[CompiledLoop | None, ...]
    """unit -> loop"""
    successors: tuple[tuple[int, ...], ...]
    """unit -> units after it"""
    indegree: tuple[int, ...]
    """unit -> number of units before it"""
    root_units: tuple[int, ...]
    single_cell_reads: tuple[tuple[int, ...] | None, ...]
    """one cell per read, where every read has exactly one"""
    rerun_reads: tuple[tuple[int, ...] | None, ...]
    """positions of the reads that refire; None: all"""
    newer_reads: tuple[tuple[int, ...], ...]
    controlling_gates: tuple[tuple[int, ...], ...]
    """gates over the node"""
    gate_targets: tuple[tuple[int, ...], ...]
    """targets a gate may open"""
    written_cells: frozenset[int]
    """cells that nodes write"""

    def descendants(self, units: Iterable[int]) -> set[int]:
        """Return these units and all that come after them."""
        found = set(units)
        stack = list(found)
        while stack:
            for v in self.successors[stack.pop()]:
                if v not in found:
                    found.add(v)
                    stack.append(v)
        return found

    def readers(self, names: Iterable[str]) -> list[int]:
        """Return the nodes that read one of these cells."""
        cells = {self.cell_index[name] for name in names}
        return [i for i, reads in enumerate(self.read_cells) if any(not cells.isdisjoint(read) for read in reads)]

    def node_ranges(self, pairs: Sequence[str]) -> Iterator[range]:
        """Iterate over the ranges of nodes a decision of a sequence skips."""
        for begin, end in zip(pairs[::2], pairs[1::2], strict=True):
            yield range(self.node_index[begin], self.node_index[end] if end else len(self.plan.nodes))


def compile_plan(plan: Plan) -> CompiledPlan:
    """Compile a plan; iterative, linear in its edges but for the sorting of its units.

    Raises WorkflowError for an unknown name, two nodes of one name, two producers of one cell, and a rule over values
    or a timer inside a loop.
    """
    nodes = plan.nodes
    index: dict[str, int] = {}
    for i, n in enumerate(nodes):
        if index.setdefault(n.name, i) != i:
            raise WorkflowError(f"plan {plan.name!r} has two nodes named {n.name!r}")
    cell: dict[str, int] = {}
    for name in plan.inputs:
        if name not in plan.aliases:
            cell[name] = len(cell)
    writer: dict[str, int] = {}
    for i, n in enumerate(nodes):
        for c in n.writes:
            cell.setdefault(c, len(cell))
            if writer.setdefault(c, i) != i:
                raise WorkflowError(f"plan {plan.name!r}: {nodes[writer[c]].name!r} and {n.name!r} both write {c!r}")
    for name, c in plan.aliases.items():
        if c not in cell:
            raise WorkflowError(f"plan {plan.name!r}: input {name!r} stands for {c!r}, which no node writes")
        cell[name] = cell[c]

    before: list[set[int]] = []
    mentioned: list[set[int]] = []
    tests: list[RuleTest | None] = []
    for i, n in enumerate(nodes):
        try:
            heard = {index[m] for m in _nodes_in_rule(n.ready)} | {index[g] for g in n.gates}
            sources = {index[a] for a in n.after} | heard
            tests.append(predicates.compile_rule(n.ready, index))
        except KeyError as missing:
            raise WorkflowError(f"node {n.name!r} names {missing.args[0]!r}, which the plan does not have") from None
        sources.update(writer[c] for r in n.reads for c in r.cells if c in writer)
        before.append(sources - {i})
        mentioned.append(heard)

    members = _order_units(strongly_connected_components(before), before)
    unit = [0] * len(nodes)
    for u, inside in enumerate(members):
        for i in inside:
            unit[i] = u
    following: list[dict[int, None]] = [{} for _ in members]
    need = [0] * len(members)
    for i, sources in enumerate(before):
        for j in sorted(sources):
            if unit[j] != unit[i] and unit[i] not in following[unit[j]]:
                following[unit[j]][unit[i]] = None
                need[unit[i]] += 1

    reads = tuple(tuple(tuple(cell[c] for c in r.cells if c in cell) for r in n.reads) for n in nodes)
    loops: list[CompiledLoop | None] = []
    for u, inside in enumerate(members):
        if len(inside) == 1:
            loops.append(None)
            continue
        made = {cell[c]: i for i in inside for c in nodes[i].writes}
        wakes: dict[int, set[int]] = {i: {i} for i in inside}
        for i in inside:
            if nodes[i].kind == "wait" or any(isinstance(leaf, ValuePredicate) for leaf in rule_leaves(nodes[i].ready)):
                raise WorkflowError(f"node {nodes[i].name!r} is in a loop: no timers or value rules there")
            heard = {made[c] for cells in reads[i] for c in cells if c in made} | mentioned[i]
            for j in heard & wakes.keys():
                wakes[j].add(i)
        above = {i: {index[g] for g in nodes[i].gates} & wakes.keys() for i in inside if nodes[i].targets}
        below = {i for i, gates in above.items() if gates}
        loops.append(
            CompiledLoop(
                u,
                inside,
                {j: tuple(sorted(heard)) for j, heard in wakes.items()},
                gates_of_gates=frozenset().union(*above.values()),
                gated_by_gates=tuple(i for i in inside if mentioned[i] & below),
            )
        )

    out = tuple(tuple(cell[c] for c in n.writes) for n in nodes)

    def first_node(u: int) -> int:
        return members[u][0]

    return CompiledPlan(
        plan=plan,
        node_index=index,
        cell_index=cell,
        rule_tests=tuple(tests),
        value_predicates=tuple(
            tuple(leaf for leaf in rule_leaves(n.ready) if isinstance(leaf, ValuePredicate)) for n in nodes
        ),
        write_cells=out,
        read_cells=reads,
        required_reads=tuple(
            tuple(cells for cells, r in zip(row, n.reads, strict=True) if not r.optional)
            for row, n in zip(reads, nodes, strict=True)
        ),
        unit_of=tuple(unit),
        unit_members=members,
        loop_of=tuple(loops),
        successors=tuple(tuple(sorted(after, key=first_node)) for after in following),
        indegree=tuple(need),
        root_units=tuple(sorted((u for u, k in enumerate(need) if not k), key=first_node)),
        single_cell_reads=tuple(tuple(c[0] for c in row) if all(len(c) == 1 for c in row) else None for row in reads),
        rerun_reads=tuple(
            None
            if all(r.triggers_rerun for r in n.reads)
            else tuple(k for k, r in enumerate(n.reads) if r.triggers_rerun)
            for n in nodes
        ),
        newer_reads=tuple(tuple(k for k, r in enumerate(n.reads) if r.must_be_newer) for n in nodes),
        controlling_gates=tuple(tuple(index[g] for g in n.gates) for n in nodes),
        gate_targets=tuple(tuple(index[t] for t in n.targets if t in index) for n in nodes),
        written_cells=frozenset(c for cells in out for c in cells),
    )


def _nodes_in_rule(rule: Rule | None) -> Iterable[str]:
    for leaf in rule_leaves(rule):
        match leaf:
            case After(node) | HasRun(node):
                yield node
            case GateOpen(gate):
                yield gate
            case _:
                pass


def _order_units(units: list[list[int]], before: list[set[int]]) -> tuple[tuple[int, ...], ...]:
    """The units in an order of their edges; of those that could be next, the one defined first."""
    unit = {i: u for u, inside in enumerate(units) for i in inside}
    after: list[set[int]] = [set() for _ in units]
    need = [0] * len(units)
    for i, sources in enumerate(before):
        for j in sources:
            u, v = unit[j], unit[i]
            if u != v and v not in after[u]:
                after[u].add(v)
                need[v] += 1
    free = [(inside[0], u) for u, inside in enumerate(units) if not need[u]]
    heapify(free)
    ordered = []
    while free:
        _, u = heappop(free)
        ordered.append(tuple(units[u]))
        for v in after[u]:
            need[v] -= 1
            if not need[v]:
                heappush(free, (units[v][0], v))
    return tuple(ordered)
