"""A snapshot is as good as the journal before it."""

from __future__ import annotations

import copy
from typing import Any

from holdwater.kernel import Machine
from holdwater.model import events as ev
from tests.kernel.drivers import ChaosDriver
from tests.kernel.journal import decode, fold, is_same_state
from tests.kernel.programs import CASES, Case
from tests.kernel.test_halting import HALTS


def test_restored_anywhere_equals_folded(case: Case) -> None:
    compiled_plan = case.program.compiled_plan
    chaos = ChaosDriver(case.program, case.inputs, case.answers, seed=4, crash_probability=0.1)
    final = chaos.run_to_end()
    m = Machine(compiled_plan)
    for k, line in enumerate(chaos.journal):
        m = Machine.restore(compiled_plan, m.snapshot())
        assert is_same_state(m, fold(compiled_plan, chaos.journal[:k]))
        assert m.take_commands() == []
        m.apply(decode(line))
    assert is_same_state(m, final)


def test_restored_while_halted(case: Case) -> None:
    compiled_plan = case.program.compiled_plan
    chaos = ChaosDriver(case.program, case.inputs, case.answers)
    chaos.step()
    chaos.commit(HALTS[0])
    m = Machine.restore(compiled_plan, chaos.machine.snapshot())
    for e in [ev.Cancelled(i, m.fences[i]) for i in m.todo] + [ev.Resumed()]:
        m.apply(e)
        chaos.commit(e)
    assert is_same_state(m, chaos.machine)
    assert {i: type(c) for i, c in m.todo.items()} == {i: type(c) for i, c in chaos.machine.todo.items()}


def test_a_snapshot_does_not_move_with_its_machine(case: Case) -> None:
    compiled_plan = case.program.compiled_plan
    chaos = ChaosDriver(case.program, case.inputs, case.answers, seed=6)
    chaos.run_to_end()
    for k in range(len(chaos.journal)):
        m = fold(compiled_plan, chaos.journal[:k])
        taken = m.snapshot()
        twin = copy.deepcopy(taken)
        restored = Machine.restore(compiled_plan, taken)
        for line in chaos.journal[k:]:
            m.apply(decode(line))
            restored.apply(decode(line))
        assert taken == twin, f"taken after {k} events"
        assert is_same_state(m, restored)


class Opaque:
    """A value that takes offence at everything but being passed on."""

    def __deepcopy__(self, memo: Any) -> Opaque:
        raise AssertionError("the kernel copied a value")

    def __eq__(self, other: object) -> bool:
        raise AssertionError("the kernel compared a value")

    def __bool__(self) -> bool:
        raise AssertionError("the kernel asked a value for its truth")

    __hash__ = None  # type: ignore[assignment]


def test_values_are_opaque() -> None:
    """Also those that wait behind a loop's barrier or for a question nobody has asked yet."""
    for name in ("graphs: forked loop", "graphs: questions in a loop"):
        program = CASES[name].program
        m = Machine(program.compiled_plan)
        m.apply(ev.Started({n: Opaque() for n in program.plan.inputs}))
        for i, node in enumerate(program.plan.nodes):
            if node.kind == "ask":
                for _ in range(5):
                    m.apply(ev.InputProvided(i, (Opaque(),)))
        for _ in range(40):
            m = Machine.restore(program.compiled_plan, m.snapshot())
            if not m.todo:
                break
            i, issued = next(iter(m.todo.items()))
            node = program.plan.nodes[i]
            decision = (
                ("head",) if i == program.compiled_plan.node_index.get("again") else ("chat",) if node.targets else None
            )
            m.apply(ev.Succeeded(i, m.fences[i], tuple(Opaque() for _ in node.writes), decision))
            assert issued.node == i
        assert max(m.run_counts) > 3
