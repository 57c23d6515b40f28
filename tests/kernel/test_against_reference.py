"""Generated plans: the kernel, in any order and through crashes, does what the naive reference does."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from holdwater.kernel import Machine
from holdwater.model.plan import Plan, PlanNode, Read
from holdwater.model.rules import (
    FAILED,
    MISSING,
    SKIPPED,
    SUCCEEDED,
    UPSTREAM_FAILED,
    After,
    AllOf,
    AnyOf,
    GateOpen,
    HasRun,
    Not,
    Rule,
    ValuePredicate,
    evaluate_predicate,
)
from holdwater.model.time import Micros
from tests.kernel.drivers import ChaosDriver, run_to_end
from tests.kernel.reference import Reference
from tests.kernel.styles.graphs import END, Fn, Gate, Part, graph
from tests.kernel.styles.program import NodeCall, NodeFunction, NodeOutput, Program, Retry
from tests.kernel.styles.tasks import Context, Task, TaskFunction, tasks
from tests.suite.effort import property_test


def _check_agreement(program: Program, inputs: dict[str, Any], seed: int) -> None:
    plan = program.plan
    reference = Reference(plan, inputs, _reference_functions(program), _reference_rule_evaluator(program))
    machine = ChaosDriver(program, inputs, seed=seed, crash_probability=0.05).run_to_end()
    plain = run_to_end(program, inputs)
    if reference.status == "halted":  # how far the other units came before that depends on the order
        assert machine.status == plain.status == "failed"
        return
    assert (plain.node_states, plain.run_counts, plain.status) == (
        machine.node_states,
        machine.run_counts,
        machine.status,
    )
    names = [n.name for n in plan.nodes]
    assert dict(zip(names, machine.node_states, strict=True)) == reference.node_states
    assert dict(zip(names, machine.run_counts, strict=True)) == reference.run_counts
    assert machine.status == reference.status
    values = {
        c: machine.values[i]
        for c, i in machine.compiled_plan.cell_index.items()
        if machine.versions[i] and c not in plan.aliases
    }
    assert values == {c: value for c, (_, value) in reference.cells.items()}


# -- DAGs of tasks


def _task_function(name: str, failures: int) -> TaskFunction:
    def body(context: Context, call: NodeCall) -> None:
        if call.attempt <= failures:
            raise OSError(f"{name}, attempt {call.attempt}")
        context[name] = 1

    return body


def _rules(deps: list[str]) -> st.SearchStrategy[Rule]:
    outcomes = st.frozensets(st.sampled_from([SUCCEEDED, FAILED, SKIPPED, UPSTREAM_FAILED]), min_size=1)
    values = st.builds(ValuePredicate, st.sampled_from(["a0", "a1", "a2"]), st.sampled_from(["exists", "not_exists"]))
    leaf: st.SearchStrategy[Rule] = values | st.builds(After, st.sampled_from(deps), outcomes) if deps else values
    many = st.lists(leaf, max_size=3).map(tuple)
    return st.one_of(leaf, leaf.map(Not), many.map(AllOf), many.map(AnyOf), many.map(lambda r: Not(AnyOf(r))))


@st.composite
def dags(draw: st.DrawFn) -> Program:
    specs: list[Task] = []
    for k in range(draw(st.integers(1, 9))):
        name = f"a{k}"
        known = [t.name for t in specs]
        deps = draw(st.lists(st.sampled_from(known), max_size=3, unique=True)) if known else []
        failures = draw(st.sampled_from([0, 0, 0, 1, 2, 9]))
        attempts, delay = draw(st.sampled_from([1, 2, 3])), draw(st.sampled_from([0.0, 0.0, 4.0]))
        specs.append(
            Task(
                name,
                _task_function(name, failures),
                tuple(deps),
                rule=draw(st.none() | _rules(deps)),
                on_error=draw(st.sampled_from(["fail", "fail", "ignore"])),
                retry=Retry(attempts, delay),
            )
        )
    order = draw(st.permutations(specs))  # a definition may name what comes later
    return tasks("dag", order)


def _reference_functions(program: Program) -> Any:
    """Bodies for the reference: the attempts in a row, given up when the policy says so."""

    def work(name: str, inputs: dict[str, Any]) -> NodeOutput | None:
        i = program.compiled_plan.node_index[name]
        body = program.functions[i]
        assert body is not None
        view: Any = {} if program.plan.style == "tasks" else [inputs.get(r.name) for r in program.plan.nodes[i].reads]
        for k in range(1, program.retries.get(name, Retry()).attempts + 1):
            try:
                done = body(NodeCall(view, k, Micros(0)))
            except OSError:
                continue
            assert isinstance(done, NodeOutput)
            return done
        return None

    return work


def _reference_rule_evaluator(program: Program) -> Any:
    """A key is in a task's context if its writer stands upstream and succeeded."""
    after = {n.name: n.after for n in program.plan.nodes}

    def upstream(name: str) -> set[str]:
        return {*after[name], *(far for near in after[name] for far in upstream(near))}

    def truth(reference: Reference, name: str, rule: ValuePredicate) -> bool:
        there = rule.name in upstream(name) and reference.node_states[rule.name] == SUCCEEDED
        return evaluate_predicate(rule, 1 if there else MISSING)

    return truth


@property_test(dags(), st.integers(0, 9), quick_examples=80, long_examples=6000)
def test_tasks(program: Program, seed: int) -> None:
    _check_agreement(program, {"given": {}}, seed)


# -- graphs: names at random, so that loops, gates and rivals arise by themselves

NAMES = ["p", "q", "r", "s"]


def _mixing_function(salt: int) -> Any:
    """A body that depends on all it sees."""
    return lambda *seen: (sum(seen) * 31 + salt) % 10_007


def _gate_function(salt: int, options: list[list[str]]) -> Any:
    return lambda *seen: options[(sum(seen) * 17 + salt) % len(options)]


@st.composite
def wild_graphs(draw: st.DrawFn) -> tuple[Program, dict[str, Any]]:
    functions = [f"f{k}" for k in range(draw(st.integers(1, 5)))]
    gates = [f"g{k}" for k in range(draw(st.integers(0, 3)))]
    params = st.lists(st.sampled_from(NAMES), min_size=1, max_size=2, unique=True).map(tuple)
    parts: list[Part] = []
    for k, name in enumerate(functions):
        outs = tuple(draw(st.lists(st.sampled_from(NAMES), max_size=1)))
        parts.append(Fn(name, _mixing_function(k), draw(params), outs))
    for k, name in enumerate(gates):
        others = [n for n in (*functions, *gates) if n != name]
        targets = draw(st.lists(st.sampled_from(others), min_size=1, max_size=3, unique=True))
        options = [[t] for t in targets] + [[END], []] + ([targets] if draw(st.booleans()) else [])
        parts.append(Gate(name, _gate_function(k, options), (*targets, END), draw(params), draw(st.booleans())))
    entry = draw(st.lists(st.sampled_from(functions), max_size=2, unique=True))
    program = graph("wild", draw(st.permutations(parts)), entry=entry, max_iterations=25)
    seeded = draw(st.lists(st.sampled_from(NAMES), unique=True))
    return program, {n: NAMES.index(n) + 1 for n in seeded if n in program.plan.inputs}


@property_test(wild_graphs(), st.integers(0, 9), quick_examples=80, long_examples=6000)
def test_graphs(wild: tuple[Program, dict[str, Any]], seed: int) -> None:
    _check_agreement(*wild, seed)


# -- mostly gates: over work, over each other, in circles


@st.composite
def gated_graphs(draw: st.DrawFn) -> tuple[Program, dict[str, Any]]:
    functions = [
        Fn(f"f{k}", _mixing_function(k), (name,), (name,)) for k, name in enumerate(NAMES[: draw(st.integers(1, 2))])
    ]
    gates = [f"g{k}" for k in range(draw(st.integers(2, 5)))]
    sinks = [Fn(f"z{k}", _mixing_function(k), functions[0].params) for k in range(draw(st.integers(0, 2)))]
    parts: list[Part] = [*functions, *sinks]
    everybody = [*(p.name for p in parts), *gates]
    for k, name in enumerate(gates):
        others = [n for n in everybody if n != name]
        targets = draw(st.lists(st.sampled_from(others), min_size=1, max_size=3, unique=True))
        options = [targets, *([t] for t in targets), *([t, END] for t in targets), [END]]
        reads = (draw(st.sampled_from(functions)).params[0],)
        parts.append(
            Gate(name, _gate_function(k, options), (*targets, END), reads, draw(st.sampled_from([True, True, False])))
        )
    entry = draw(st.lists(st.sampled_from(everybody), max_size=2, unique=True))
    program = graph("maze", draw(st.permutations(parts)), entry=entry, max_iterations=25)
    return program, {n: draw(st.integers(0, 9)) for n in program.plan.inputs}


@property_test(gated_graphs(), st.integers(0, 9), quick_examples=80, long_examples=6000)
def test_mazes(maze: tuple[Program, dict[str, Any]], seed: int) -> None:
    _check_agreement(*maze, seed)


# -- plans that no style writes: every kind of read, and rules over any node


@st.composite
def wild_plans(draw: st.DrawFn) -> tuple[Program, dict[str, Any]]:
    size = draw(st.integers(1, 6))
    names = [f"n{k}" for k in range(size)]
    cells = ["x", "y", *(f"c{k}" for k in range(size))]
    deciders = draw(st.lists(st.sampled_from(names), max_size=3, unique=True))
    targets = {
        g: draw(st.lists(st.sampled_from([n for n in names if n != g] or [END]), min_size=1, max_size=2, unique=True))
        for g in deciders
    }
    nodes, bodies = [], []
    for k, name in enumerate(names):
        above = tuple(g for g in deciders if name in targets[g])
        rules: list[Rule] = [AnyOf(tuple(GateOpen(g, name, draw(st.booleans())) for g in above))] if above else []
        if draw(st.booleans()):
            ran: Rule = HasRun(draw(st.sampled_from(names)), draw(st.booleans()))
            rules.append(draw(st.sampled_from([ran, Not(ran)])))
        reads = [
            Read(f"r{j}", tuple(draw(st.lists(st.sampled_from(cells), min_size=1, max_size=2, unique=True))),
                 draw(st.booleans()), draw(st.booleans()), draw(st.sampled_from([False, False, True])))
            for j in range(draw(st.integers(0, 2)))
        ]  # fmt: skip
        nodes.append(
            PlanNode(
                name,
                after=tuple(draw(st.lists(st.sampled_from(names[:k]), max_size=1))) if k else (),
                ready=AllOf(tuple(rules)) if rules else None,
                outcome_if_not_run=draw(st.sampled_from(["skipped", "upstream_failed"])),
                reads=tuple(reads),
                writes=(f"c{k}",),
                gates=above,
                targets=(*targets[name], END) if name in targets else (),
            )
        )
        options = [[t] for t in targets.get(name, ())] + [[END], []]
        bodies.append(_node_function(k, options if name in targets else None))
    plan = Plan("raw", tuple(nodes), style="graphs", inputs=("x", "y"), max_iterations=25)
    program = Program(plan, tuple(bodies), view=_raw_view, outputs=lambda m: list(m.values))
    return program, {n: k for k, n in enumerate(draw(st.lists(st.sampled_from(["x", "y"]), unique=True)))}


def _node_function(salt: int, options: list[list[str]] | None) -> NodeFunction:
    def body(call: NodeCall) -> NodeOutput:
        seen = sum(value * (k + 3) for k, value in enumerate(call.view) if value is not None)
        decision = tuple(options[(seen * 17 + salt) % len(options)]) if options else None
        return NodeOutput(((seen * 31 + salt) % 10_007,), decision)

    return body


def _raw_view(m: Machine, i: int) -> list[Any]:
    latest = [max(cells, key=m.versions.__getitem__) for cells in m.compiled_plan.read_cells[i]]
    return [m.values[c] if m.versions[c] else None for c in latest]


@property_test(wild_plans(), st.integers(0, 9), quick_examples=80, long_examples=6000)
def test_plans(wild: tuple[Program, dict[str, Any]], seed: int) -> None:
    _check_agreement(*wild, seed)
