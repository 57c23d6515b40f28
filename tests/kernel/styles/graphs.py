"""Graphs: edges inferred from names, gates that open their targets, loops, questions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from holdwater.kernel import Machine, compile_plan
from holdwater.model.fanout import ChildRunsRequest
from holdwater.model.plan import NodeKind, OnError, Plan, PlanNode, Read
from holdwater.model.rules import AllOf, AnyOf, GateOpen, HasRun, Not, Rule
from tests.kernel.styles.program import (
    ONCE,
    FanOutFunctions,
    NodeCall,
    NodeFunction,
    NodeOutput,
    Program,
    Question,
    Retry,
)

END = "END"


@dataclass(frozen=True)
class Fn:
    """`outs`: one name takes what the body returns, several share the list it returns."""

    name: str
    function: Callable[..., Any]
    params: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)
    retry: Retry = ONCE
    on_error: OnError = "stop"


@dataclass(frozen=True)
class Gate:
    """`choose` returns one target, or a list of them, or None to open nothing."""

    name: str
    choose: Callable[..., str | Sequence[str] | None]
    targets: tuple[str, ...]
    params: tuple[str, ...] = ()
    default_open: bool = True


@dataclass(frozen=True)
class Ask:
    name: str
    answer: str
    params: tuple[str, ...] = ()


@dataclass(frozen=True)
class Interrupt:
    """`body` returns a Question, or the answer itself."""

    name: str
    answer: str
    function: Callable[..., Any]
    params: tuple[str, ...] = ()


@dataclass(frozen=True)
class FanOutNode:
    name: str
    children: FanOutFunctions
    params: tuple[str, ...] = ()
    output: str = ""
    retry: Retry = ONCE
    on_error: OnError = "stop"


Part = Fn | Gate | Ask | Interrupt | FanOutNode


_KINDS: Mapping[type, NodeKind] = {Fn: "call", Gate: "call", Ask: "ask", Interrupt: "interrupt", FanOutNode: "fan_out"}


def graph(
    name: str,
    parts: Sequence[Part],
    *,
    entry: Sequence[str] = (),
    led: Sequence[str] = (),
    max_iterations: int = 1000,
) -> Program:
    """`entry`: where loops start; without it a node starts as soon as its inputs are there.  `led`: those of them that
    do not start before a gate lets them in.
    """
    return _Compiler(name, parts, frozenset(entry), frozenset(led), max_iterations).build_program()


def _outputs_of(part: Part) -> tuple[str, ...]:
    match part:
        case Fn():
            return part.outputs
        case Ask() | Interrupt():
            return (part.answer,)
        case FanOutNode():
            return (part.output,)
        case Gate():
            return ()


class _Compiler:
    def __init__(
        self, name: str, parts: Sequence[Part], entry: frozenset[str], led: frozenset[str], limit: int
    ) -> None:
        self.name, self.parts, self.entry, self.led, self.limit = name, parts, entry, led, limit
        self.producers: dict[str, list[str]] = {}
        self.gates_over: dict[str, list[Gate]] = {p.name: [] for p in parts}
        for p in parts:
            for out in _outputs_of(p):
                self.producers.setdefault(out, []).append(p.name)
            if isinstance(p, Gate):
                for t in p.targets:
                    if t != END:
                        self.gates_over[t].append(p)
        edges = tuple(
            PlanNode(p.name, after=(*self.sources(p), *(g.name for g in self.gates_over[p.name]))) for p in parts
        )
        rough = compile_plan(Plan("rough", edges))  # who is in one loop with whom
        self.loop = {p.name: rough.unit_of[i] for i, p in enumerate(parts)}
        # a name with one maker lives in its maker's cell, also when it is given: that is a loop's seed
        self.alias = {n: f"{makers[0]}/{n}" for n, makers in self.producers.items() if len(makers) == 1}

    def sources(self, part: Part) -> list[str]:
        return [m for p in part.params for m in self.producers.get(p, ())]

    def build_program(self) -> Program:
        names = tuple(dict.fromkeys(p for part in self.parts for p in part.params))
        plan = Plan(
            self.name,
            tuple(map(self.node, self.parts)),
            style="graphs",
            inputs=names,
            aliases={n: c for n, c in self.alias.items() if n in names},
            max_iterations=self.limit,
        )
        parts = self.parts
        return Program(
            plan,
            tuple(_node_function(p) for p in parts),
            view=lambda m, i: _node_view(m, i, parts[i]),
            outputs=lambda m: _graph_outputs(m, names),
            retries={p.name: p.retry for p in parts if isinstance(p, Fn | FanOutNode)},
            children={p.name: p.children.run_child for p in parts if isinstance(p, FanOutNode)},
        )

    def node(self, part: Part) -> PlanNode:
        gated = bool(self.gates_over[part.name])
        reads = tuple(
            Read(
                p,
                (self.alias[p],) if p in self.alias else (p, *(f"{m}/{p}" for m in self.producers.get(p, ()))),
                optional=isinstance(part, Fn) and p in part.defaults,
                triggers_rerun=gated or p not in _outputs_of(part),
            )
            for p in part.params
        )
        return PlanNode(
            part.name,
            kind=_KINDS[type(part)],
            ready=self.readiness_rule(part),
            reads=reads,
            writes=tuple(f"{part.name}/{o}" for o in _outputs_of(part)),
            gates=tuple(g.name for g in self.gates_over[part.name]),
            targets=part.targets if isinstance(part, Gate) else (),
            on_error=part.on_error if isinstance(part, Fn | FanOutNode) else "stop",
        )

    def gate_rule(self, name: str) -> Rule | None:
        """One of the gates over a node lets it run."""
        rules: list[Rule] = [GateOpen(g.name, name, g.default_open and not self.entry) for g in self.gates_over[name]]
        if name in self.entry and name not in self.led:
            rules += [AllOf((HasRun(name, negated=True), HasRun(g.name, negated=True))) for g in self.gates_over[name]]
        return AnyOf(tuple(rules)) if rules else None

    def readiness_rule(self, part: Part) -> Rule | None:
        """Let in by a gate; and, in a loop, no producer is still to come that could run now."""
        rules = [active] if (active := self.gate_rule(part.name)) else []
        waits: list[Rule] = []
        for source in dict.fromkeys(self.sources(part)):
            if source != part.name and self.loop[source] == self.loop[part.name]:
                gate = self.gate_rule(source)
                waits.append(AnyOf((HasRun(source), Not(gate))) if gate else HasRun(source))
        if waits:
            settled = AllOf(tuple(waits))
            rules.append(AnyOf((HasRun(part.name, negated=True), settled)) if part.name in self.entry else settled)
        return AllOf(tuple(rules)) if rules else None


def _node_function(part: Part) -> NodeFunction | None:
    match part:
        case Ask():
            return None
        case Interrupt():

            def ask(c: NodeCall) -> NodeOutput | Question:
                said = part.function(*c.view)
                return said if isinstance(said, Question) else NodeOutput((said,))

            return ask
        case FanOutNode():

            def fan(c: NodeCall) -> NodeOutput | ChildRunsRequest:
                made = part.children.run(c, *c.view)
                return made if isinstance(made, ChildRunsRequest) else NodeOutput((made,))

            return fan
        case Gate():

            def decide(c: NodeCall) -> NodeOutput:
                chosen = part.choose(*c.view)
                return NodeOutput(
                    decision=() if chosen is None else (chosen,) if isinstance(chosen, str) else tuple(chosen)
                )

            return decide
        case Fn():

            def call(c: NodeCall) -> NodeOutput:
                result = part.function(*c.view)
                return NodeOutput((result,) if len(part.outputs) == 1 else tuple(result) if part.outputs else ())

            return call


def _node_view(m: Machine, i: int, part: Part) -> list[Any]:
    defaults = part.defaults if isinstance(part, Fn) else {}
    seen = []
    for read, cells in zip(part.params, m.compiled_plan.read_cells[i], strict=True):
        latest = max(cells, key=m.versions.__getitem__)
        seen.append(m.values[latest] if m.versions[latest] else defaults[read])
    return seen


def _graph_outputs(m: Machine, names: tuple[str, ...]) -> dict[str, Any]:
    """Per produced name, the latest write."""
    best: dict[str, tuple[int, Any]] = {}
    for name, c in m.compiled_plan.cell_index.items():
        if name not in names and m.versions[c] > best.get(name.rpartition("/")[2], (0,))[0]:
            best[name.rpartition("/")[2]] = (m.versions[c], m.values[c])
    return {name: value for name, (_, value) in sorted(best.items())}
