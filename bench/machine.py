"""The kernel alone: microseconds per node of a chain, a fan and a loop, best of seven; bodies do nothing."""

from __future__ import annotations

import time
from collections.abc import Callable

from holdwater.kernel import CompiledPlan, Machine, compile_plan
from holdwater.model.commands import Execute
from holdwater.model.events import Started, Succeeded
from holdwater.model.plan import Plan, PlanNode, Read
from holdwater.model.rules import After, AllOf, GateOpen


def chain(n: int) -> Plan:
    def node(i: int) -> PlanNode:
        before = f"n{i - 1}"
        return PlanNode(f"n{i}", after=(before,) if i else (), ready=After(before) if i else None, writes=(f"n{i}",))

    return Plan("chain", tuple(map(node, range(n))))


def fan(n: int) -> Plan:
    middle = tuple(PlanNode(f"m{i}", after=("first",), ready=After("first"), writes=(f"m{i}",)) for i in range(n))
    names = tuple(m.name for m in middle)
    last = PlanNode("last", after=names, ready=AllOf(tuple(map(After, names))), writes=("last",))
    return Plan("fan", (PlanNode("first", writes=("first",)), *middle, last))


def loop(turns: int) -> Plan:
    step = PlanNode("step", ready=GateOpen("gate", "step"), reads=(Read("x", ("x",)),), writes=("x",), gates=("gate",))
    gate = PlanNode("gate", reads=(Read("x", ("x",)),), targets=("step", "END"))
    return Plan("loop", (step, gate), style="graphs", inputs=("x",), max_iterations=2 * turns + 10)


def drive(compiled_plan: CompiledPlan, turns: int) -> int:
    """Run to the end; returns how many bodies were called."""
    machine = Machine(compiled_plan)
    machine.apply(Started(dict.fromkeys(compiled_plan.plan.inputs, 0)))
    nodes, calls = compiled_plan.plan.nodes, 0
    while machine.status == "running":
        for c in machine.take_commands():
            assert isinstance(c, Execute)
            calls += 1
            if nodes[c.node].targets:
                decision = ("step",) if machine.run_counts[c.node] < turns else ("END",)
                machine.apply(Succeeded(c.node, c.fence, (), decision))
            else:
                machine.apply(Succeeded(c.node, c.fence, (1,)))
    assert machine.status == "completed"
    return calls


def best(call: Callable[[], int]) -> float:
    times = []
    for _ in range(7):
        start = time.perf_counter()
        calls = call()
        times.append((time.perf_counter() - start) / calls * 1e6)
    return min(times)


def main() -> None:
    print("| plan | build us/node | run us/node |\n|---|---|---|")
    plans = [("chain", n, chain(n)) for n in (100, 1000, 10_000)] + [("fan", n, fan(n)) for n in (1000, 10_000)]
    for name, n, plan in [*plans, ("loop", 1000, loop(1000))]:
        start = time.perf_counter()
        compiled_plan = compile_plan(plan)
        build = (time.perf_counter() - start) / len(plan.nodes) * 1e6
        run = best(lambda compiled_plan=compiled_plan, n=n: drive(compiled_plan, n))  # type: ignore[misc]
        print(f"| {name} {n:,} | {build:.1f} | {run:.2f} |")


if __name__ == "__main__":
    main()
