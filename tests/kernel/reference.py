"""What a plan means, said a second time: slow, naive and without a thought for events.

It shares the plan's data and the tests' bodies with the kernel, and no code: order comes from a reachability table,
rules are read from their data each time, and in a loop every node is looked at in every superstep.  Values go through
`Value` rules directly.  No fence, no journal, no barrier is needed, because nothing here ever happens at the same time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from holdwater.model.plan import Plan, PlanNode
from holdwater.model.rules import After, AllOf, AnyOf, GateOpen, HasRun, Not, Rule, ValuePredicate
from tests.kernel.styles.program import NodeOutput

END = "END"
NodeFunction = Callable[[str, dict[str, Any]], NodeOutput | None]
"""(node, its inputs) -> what it made; None: it failed for good"""
RuleEvaluator = Callable[["Reference", str, ValuePredicate], bool]


class Reference:
    """The final `state` and `fired` of every node by name, and the `status` of the run.

    `kept`: what nodes made in an earlier life of the run, firing by firing; these are not executed again.
    """

    def __init__(
        self,
        plan: Plan,
        inputs: Mapping[str, Any],
        run_node: NodeFunction,
        evaluate_rule: RuleEvaluator,
        replayed: Mapping[str, list[NodeOutput | None]] | None = None,
    ) -> None:
        self.plan, self.inputs, self.evaluate_rule = plan, inputs, evaluate_rule
        self._run_node = run_node
        self.replayed = {name: list(made) for name, made in (replayed or {}).items()}
        self.outputs_by_node: dict[str, list[NodeOutput | None]] = {}
        self.executed: list[str] = []
        self.upstream: dict[str, set[str]] = {}
        self.nodes = {n.name: n for n in plan.nodes}
        self.node_states = dict.fromkeys(self.nodes, "waiting")
        self.run_counts = dict.fromkeys(self.nodes, 0)
        self.cells: dict[str, tuple[int, Any]] = {}
        self.write_count = 0
        self.open_targets: dict[str, set[str]] = {}
        self.last_decisions: dict[str, tuple[str, ...]] = {}
        self.closed_gates: set[str] = set()
        self.consumed_versions: dict[str, list[int]] = {}
        self.waived_nodes: set[str] = set()
        self.status = "completed"
        for name, value in inputs.items():
            self._write(plan.aliases.get(name, name), value)
        for unit in self._units():
            if self.status != "halted":
                self._run_single(unit[0]) if len(unit) == 1 else self._run_loop(unit)

    def retry(self, run_node: NodeFunction) -> Reference:
        """The failed run tried once more: from the start, but what no failure that counts has touched stands."""
        failed = {
            n for n, state in self.node_states.items() if state == "failed" and self.nodes[n].on_error != "ignore"
        }
        stands = {
            n: made for n, made in self.outputs_by_node.items() if n not in failed and not self.upstream[n] & failed
        }
        return Reference(self.plan, self.inputs, run_node, self.evaluate_rule, stands)

    def run_node(self, name: str, inputs: dict[str, Any]) -> NodeOutput | None:
        if name in self.replayed:
            done = self.replayed[name].pop(0)
        else:
            self.executed.append(name)
            done = self._run_node(name, inputs)
        self.outputs_by_node.setdefault(name, []).append(done)
        return done

    # -- order

    def _units(self) -> list[list[str]]:
        makers = {c: n.name for n in self.plan.nodes for c in n.writes}
        before = {
            n.name: {
                *n.after,
                *n.gates,
                *_nodes_in_rule(n.ready),
                *(makers[c] for r in n.reads for c in r.cells if c in makers),
            }
            for n in self.plan.nodes
        }
        for k in self.nodes:  # everything upstream, by Warshall's algorithm
            for i in self.nodes:
                if k in before[i]:
                    before[i] |= before[k]
        self.upstream = before
        units: list[list[str]] = []
        done: set[str] = set()
        while len(done) < len(self.nodes):
            for name in self.nodes:  # the first one that nothing is missing for
                unit = [m for m in self.nodes if m == name or (m in before[name] and name in before[m])]
                if name not in done and before[name] <= done.union(unit):
                    units.append(unit)
                    done.update(unit)
                    break
        return units

    # -- one node that is looked at once

    def _run_single(self, name: str) -> None:
        node = self.nodes[name]
        if not (self._evaluate_rule(node.ready, name) and self._has_inputs(node)):
            if node.gates and node.targets and self._is_unreachable(name, frozenset()):
                self.closed_gates.add(name)
            self.node_states[name] = node.outcome_if_not_run
            return
        done = self.run_node(name, self._node_inputs(node))
        if done is not None:
            self._commit_output(name, done)
            self.node_states[name] = "succeeded"
            return
        self.node_states[name] = "failed"
        if node.on_error == "fail":
            self.status = "failed"

    # -- a loop

    def _run_loop(self, unit: list[str]) -> None:
        limit = self.plan.max_iterations
        assert limit is not None
        for _ in range(limit + 1):
            for g in unit:
                stale = g in self.consumed_versions and self._has_new_inputs(self.nodes[g], self.consumed_versions[g])
                cut = bool(self.nodes[g].gates) and self._is_unreachable(g, frozenset())
                if self.open_targets.get(g) and (cut or (stale and END not in self.open_targets[g])):
                    self.open_targets[g] = set()
            ready = [n for n in unit if self._is_ready(self.nodes[n])]
            if not ready:
                skipped = self._find_skipped(unit)
                self.waived_nodes = skipped
                ready = [n for n in unit if n not in skipped and self._is_ready(self.nodes[n])]
                self.waived_nodes = set()
                stuck = [] if ready else [n for n in unit if not self.run_counts[n] and n not in skipped]
                if not ready and not stuck and any(self.run_counts[n] and self._is_gate_opened(n) for n in unit):
                    self.status = "halted"
                    return
                self.waived_nodes = set(self.nodes)
                fed = [n for n in stuck if self._is_ready(self.nodes[n])]
                self.waived_nodes = set()
                if stuck and len(fed) != 1:
                    self.status = "halted"
                    return
                ready += fed if stuck else []
            if not ready:
                self.closed_gates |= {
                    g
                    for g in unit
                    if self.nodes[g].targets and not self.run_counts[g] and self._is_unreachable(g, frozenset())
                }
                self.node_states.update({n: "succeeded" if self.run_counts[n] else "skipped" for n in unit})
                return
            going = self._hold_back_targets(ready)
            made = {n: self.run_node(n, self._node_inputs(self.nodes[n])) for n in going}
            for n in going:
                self.consumed_versions[n] = self._versions(self.nodes[n])
                for g in self.nodes[n].gates:
                    self.open_targets.get(g, set()).discard(n)
            for n in going:
                done = made[n]
                assert done is not None, "failures in loops halt the run: not modelled"
                self._commit_output(n, done)
        self.status = "halted"

    def _find_skipped(self, unit: list[str]) -> set[str]:
        """Members that never ran, because gates decided against them or nothing made what they need."""
        never = [n for n in unit if not self.run_counts[n]]
        makers = {c: n.name for n in self.plan.nodes for c in n.writes}
        self.waived_nodes = set(self.nodes)
        let_in = {n for n in never if self._evaluate_rule(self.nodes[n].ready, n)}
        self.waived_nodes = set()
        skipped: set[str] = set()
        while True:
            over = {n for n in self.nodes if n not in never or n in skipped}
            more = {
                n
                for n in never
                if (n not in let_in and (not self.nodes[n].gates or not over.isdisjoint(self.nodes[n].gates)))
                or any(
                    all(c not in self.cells and (c not in makers or makers[c] in over) for c in r.cells)
                    for r in self.nodes[n].reads
                    if not r.optional
                )
            }
            if more <= skipped:
                return skipped
            skipped |= more

    def _is_ready(self, node: PlanNode) -> bool:
        if not self._evaluate_rule(node.ready, node.name):
            return False
        if not self.run_counts[node.name]:
            return self._has_inputs(node)
        if self._awaits_newer_input(node, self.consumed_versions[node.name]):
            return False
        let_in = any(node.name in self.open_targets.get(g, ()) for g in node.gates)
        return let_in or self._has_new_inputs(node, self.consumed_versions[node.name])

    def _hold_back_targets(self, ready: list[str]) -> list[str]:
        """Targets of ready gates wait, and so do targets that these have open in their turn; unless nobody is left."""
        held = {t for g in ready for t in self.nodes[g].targets}
        far: set[str] = set()
        reached = [g for g in held if g in self.nodes]
        while reached:
            g = reached.pop()
            more = {t for t in self.nodes[g].targets if t in self.nodes and t in self.open_targets.get(g, ())} - far
            far |= more
            reached += more
        going = [n for n in ready if n not in held] or ready
        return [n for n in going if n not in far] or going

    # -- rules

    def _evaluate_rule(self, rule: Rule | None, name: str) -> bool:
        match rule:
            case None:
                return True
            case After(node, outcomes):
                return self.node_states[node] in outcomes
            case HasRun(node, never):
                return not self.run_counts[node] if never else self.run_counts[node] > 0 or node in self.waived_nodes
            case ValuePredicate():
                return self.evaluate_rule(self, name, rule)
            case Not(inner):
                return not self._evaluate_rule(inner, name)
            case AllOf(rules):
                return all(self._evaluate_rule(r, name) for r in rules)
            case AnyOf(rules):
                return any(self._evaluate_rule(r, name) for r in rules)
            case GateOpen(gate, target, default):
                cut = bool(self.nodes[gate].gates) and self._is_unreachable(gate, frozenset())
                if target in self.open_targets.get(gate, ()):
                    return not cut
                unused = not self.run_counts[gate] and not self.run_counts[target]
                return default and unused and not cut and self.node_states[gate] not in ("upstream_failed", "failed")

    def _is_unreachable(self, gate: str, visited: frozenset[str]) -> bool:
        """Nobody above lets this gate run, as far as one can see without going in circles."""
        above = [g for g in self.nodes[gate].gates if g != gate]
        return bool(self.nodes[gate].gates) and all(
            gate not in self.last_decisions.get(g, ())
            if self.run_counts[g]
            else g in self.closed_gates
            or (g not in visited and self.node_states[g] == "waiting" and self._is_unreachable(g, visited | {gate}))
            for g in above
        )

    # -- values

    def _write(self, cell: str, value: Any) -> None:
        self.write_count += 1
        self.cells[cell] = (self.write_count, value)

    def _commit_output(self, name: str, done: NodeOutput) -> None:
        self.run_counts[name] += 1
        for cell, value in zip(self.nodes[name].writes, done.values, strict=False):
            self._write(cell, value)
        if done.decision is not None:
            self.open_targets[name] = set(done.decision)
            self.last_decisions[name] = done.decision

    def _versions(self, node: PlanNode) -> list[int]:
        return [max((self.cells.get(c, (0, None))[0] for c in r.cells), default=0) for r in node.reads]

    def _has_new_inputs(self, node: PlanNode, since: list[int]) -> bool:
        return any(r.triggers_rerun and n != s for r, n, s in zip(node.reads, self._versions(node), since, strict=True))

    def _is_gate_opened(self, name: str) -> bool:
        """A gate has opened it, and it only waits for something newer."""
        if not any(read.must_be_newer for read in self.nodes[name].reads):
            return False
        return any(
            name in self.open_targets.get(g, ()) and not (self.nodes[g].gates and self._is_unreachable(g, frozenset()))
            for g in self.nodes[name].gates
        )

    def _awaits_newer_input(self, node: PlanNode, since: list[int]) -> bool:
        return any(r.must_be_newer and n <= s for r, n, s in zip(node.reads, self._versions(node), since, strict=True))

    def _has_inputs(self, node: PlanNode) -> bool:
        return all(r.optional or version for r, version in zip(node.reads, self._versions(node), strict=True))

    def _node_inputs(self, node: PlanNode) -> dict[str, Any]:
        latest = {r.name: max((self.cells.get(c, (0, None)) for c in r.cells), key=lambda x: x[0]) for r in node.reads}
        return {name: value for name, (stamp, value) in latest.items() if stamp}


def _nodes_in_rule(rule: Rule | None) -> set[str]:
    match rule:
        case After(node) | HasRun(node) | GateOpen(node):
            return {node}
        case Not(inner):
            return _nodes_in_rule(inner)
        case AllOf(rules) | AnyOf(rules):
            return {name for r in rules for name in _nodes_in_rule(r)}
        case _:
            return set()
