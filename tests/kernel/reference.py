"""What a plan means, said a second time: slow, naive and without a thought for events.

It shares the plan's data and the tests' bodies with the kernel, and no code: order comes from a reachability table,
rules are read from their data each time, and in a loop every node is looked at in every superstep.  Values go through
`Value` rules directly.  No fence, no journal, no barrier is needed, because nothing here ever happens at the same time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from holdwater.model.plan import Plan, PlanNode
from holdwater.model.rules import After, AllOf, AnyOf, HasRun, Not, Open, Rule, Value
from tests.kernel.styles.program import Done

END = "END"
Work = Callable[[str, dict[str, Any]], Done | None]
"""(node, its inputs) -> what it made; None: it failed for good"""
Truth = Callable[["Reference", str, Value], bool]


class Reference:
    """The final `state` and `fired` of every node by name, and the `status` of the run.

    `kept`: what nodes made in an earlier life of the run, firing by firing; these are not executed again.
    """

    def __init__(
        self,
        plan: Plan,
        inputs: Mapping[str, Any],
        work: Work,
        truth: Truth,
        kept: Mapping[str, list[Done | None]] | None = None,
    ) -> None:
        self.plan, self.inputs, self.truth = plan, inputs, truth
        self._body = work
        self.kept = {name: list(made) for name, made in (kept or {}).items()}
        self.made: dict[str, list[Done | None]] = {}
        self.executed: list[str] = []
        self.upstream: dict[str, set[str]] = {}
        self.nodes = {n.name: n for n in plan.nodes}
        self.state = dict.fromkeys(self.nodes, "waiting")
        self.fired = dict.fromkeys(self.nodes, 0)
        self.cells: dict[str, tuple[int, Any]] = {}
        self.writes = 0
        self.opened: dict[str, set[str]] = {}
        self.decided: dict[str, tuple[str, ...]] = {}
        self.shut: set[str] = set()
        self.used: dict[str, list[int]] = {}
        self.waived: set[str] = set()
        self.status = "completed"
        for name, value in inputs.items():
            self._write(plan.aliases.get(name, name), value)
        for unit in self._units():
            if self.status != "halted":
                self._settle(unit[0]) if len(unit) == 1 else self._loop(unit)

    def again(self, work: Work) -> Reference:
        """The failed run tried once more: from the start, but what no failure that counts has touched stands."""
        failed = {n for n, state in self.state.items() if state == "failed" and self.nodes[n].on_error != "ignore"}
        stands = {n: made for n, made in self.made.items() if n not in failed and not self.upstream[n] & failed}
        return Reference(self.plan, self.inputs, work, self.truth, stands)

    def work(self, name: str, inputs: dict[str, Any]) -> Done | None:
        if name in self.kept:
            done = self.kept[name].pop(0)
        else:
            self.executed.append(name)
            done = self._body(name, inputs)
        self.made.setdefault(name, []).append(done)
        return done

    # -- order

    def _units(self) -> list[list[str]]:
        makers = {c: n.name for n in self.plan.nodes for c in n.writes}
        before = {
            n.name: {
                *n.after,
                *n.gates,
                *_named(n.ready),
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

    def _settle(self, name: str) -> None:
        node = self.nodes[name]
        if not (self._holds(node.ready, name) and self._fed(node)):
            if node.gates and node.targets and self._is_cut(name, frozenset()):
                self.shut.add(name)
            self.state[name] = node.otherwise
            return
        done = self.work(name, self._view(node))
        if done is not None:
            self._publish(name, done)
            self.state[name] = "succeeded"
            return
        self.state[name] = "failed"
        if node.on_error == "fail":
            self.status = "failed"

    # -- a loop

    def _loop(self, unit: list[str]) -> None:
        limit = self.plan.max_iterations
        assert limit is not None
        for _ in range(limit + 1):
            for g in unit:
                stale = g in self.used and self._changed(self.nodes[g], self.used[g])
                cut = bool(self.nodes[g].gates) and self._is_cut(g, frozenset())
                if self.opened.get(g) and (cut or (stale and END not in self.opened[g])):
                    self.opened[g] = set()
            ready = [n for n in unit if self._wants(self.nodes[n])]
            if not ready:
                skipped = self._skipped(unit)
                self.waived = skipped
                ready = [n for n in unit if n not in skipped and self._wants(self.nodes[n])]
                self.waived = set()
                stuck = [] if ready else [n for n in unit if not self.fired[n] and n not in skipped]
                if not ready and not stuck and any(self.fired[n] and self._is_open(n) for n in unit):
                    self.status = "halted"
                    return
                self.waived = set(self.nodes)
                fed = [n for n in stuck if self._wants(self.nodes[n])]
                self.waived = set()
                if stuck and len(fed) != 1:
                    self.status = "halted"
                    return
                ready += fed if stuck else []
            if not ready:
                self.shut |= {
                    g for g in unit if self.nodes[g].targets and not self.fired[g] and self._is_cut(g, frozenset())
                }
                self.state.update({n: "succeeded" if self.fired[n] else "skipped" for n in unit})
                return
            going = self._gates_first(ready)
            made = {n: self.work(n, self._view(self.nodes[n])) for n in going}
            for n in going:
                self.used[n] = self._versions(self.nodes[n])
                for g in self.nodes[n].gates:
                    self.opened.get(g, set()).discard(n)
            for n in going:
                done = made[n]
                assert done is not None, "failures in loops halt the run: not modelled"
                self._publish(n, done)
        self.status = "halted"

    def _skipped(self, unit: list[str]) -> set[str]:
        """Members that never ran, because gates decided against them or nothing made what they need."""
        never = [n for n in unit if not self.fired[n]]
        makers = {c: n.name for n in self.plan.nodes for c in n.writes}
        self.waived = set(self.nodes)
        let_in = {n for n in never if self._holds(self.nodes[n].ready, n)}
        self.waived = set()
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

    def _wants(self, node: PlanNode) -> bool:
        if not self._holds(node.ready, node.name):
            return False
        if not self.fired[node.name]:
            return self._fed(node)
        if self._must_wait(node, self.used[node.name]):
            return False
        let_in = any(node.name in self.opened.get(g, ()) for g in node.gates)
        return let_in or self._changed(node, self.used[node.name])

    def _gates_first(self, ready: list[str]) -> list[str]:
        """Targets of ready gates wait, and so do targets that these have open in their turn; unless nobody is left."""
        held = {t for g in ready for t in self.nodes[g].targets}
        far: set[str] = set()
        reached = [g for g in held if g in self.nodes]
        while reached:
            g = reached.pop()
            more = {t for t in self.nodes[g].targets if t in self.nodes and t in self.opened.get(g, ())} - far
            far |= more
            reached += more
        going = [n for n in ready if n not in held] or ready
        return [n for n in going if n not in far] or going

    # -- rules

    def _holds(self, rule: Rule | None, name: str) -> bool:
        match rule:
            case None:
                return True
            case After(node, outcomes):
                return self.state[node] in outcomes
            case HasRun(node, never):
                return not self.fired[node] if never else self.fired[node] > 0 or node in self.waived
            case Value():
                return self.truth(self, name, rule)
            case Not(inner):
                return not self._holds(inner, name)
            case AllOf(rules):
                return all(self._holds(r, name) for r in rules)
            case AnyOf(rules):
                return any(self._holds(r, name) for r in rules)
            case Open(gate, target, default):
                cut = bool(self.nodes[gate].gates) and self._is_cut(gate, frozenset())
                if target in self.opened.get(gate, ()):
                    return not cut
                unused = not self.fired[gate] and not self.fired[target]
                return default and unused and not cut and self.state[gate] not in ("upstream_failed", "failed")

    def _is_cut(self, gate: str, via: frozenset[str]) -> bool:
        """Nobody above lets this gate run, as far as one can see without going in circles."""
        above = [g for g in self.nodes[gate].gates if g != gate]
        return bool(self.nodes[gate].gates) and all(
            gate not in self.decided.get(g, ())
            if self.fired[g]
            else g in self.shut or (g not in via and self.state[g] == "waiting" and self._is_cut(g, via | {gate}))
            for g in above
        )

    # -- values

    def _write(self, cell: str, value: Any) -> None:
        self.writes += 1
        self.cells[cell] = (self.writes, value)

    def _publish(self, name: str, done: Done) -> None:
        self.fired[name] += 1
        for cell, value in zip(self.nodes[name].writes, done.values, strict=False):
            self._write(cell, value)
        if done.decision is not None:
            self.opened[name] = set(done.decision)
            self.decided[name] = done.decision

    def _versions(self, node: PlanNode) -> list[int]:
        return [max((self.cells.get(c, (0, None))[0] for c in r.cells), default=0) for r in node.reads]

    def _changed(self, node: PlanNode, since: list[int]) -> bool:
        return any(r.refires and n != s for r, n, s in zip(node.reads, self._versions(node), since, strict=True))

    def _is_open(self, name: str) -> bool:
        """A gate has opened it, and it only waits for something newer."""
        if not any(read.newer for read in self.nodes[name].reads):
            return False
        return any(
            name in self.opened.get(g, ()) and not (self.nodes[g].gates and self._is_cut(g, frozenset()))
            for g in self.nodes[name].gates
        )

    def _must_wait(self, node: PlanNode, since: list[int]) -> bool:
        return any(r.newer and n <= s for r, n, s in zip(node.reads, self._versions(node), since, strict=True))

    def _fed(self, node: PlanNode) -> bool:
        return all(r.optional or version for r, version in zip(node.reads, self._versions(node), strict=True))

    def _view(self, node: PlanNode) -> dict[str, Any]:
        latest = {r.name: max((self.cells.get(c, (0, None)) for c in r.cells), key=lambda x: x[0]) for r in node.reads}
        return {name: value for name, (stamp, value) in latest.items() if stamp}


def _named(rule: Rule | None) -> set[str]:
    match rule:
        case After(node) | HasRun(node) | Open(node):
            return {node}
        case Not(inner):
            return _named(inner)
        case AllOf(rules) | AnyOf(rules):
            return {name for r in rules for name in _named(r)}
        case _:
            return set()
