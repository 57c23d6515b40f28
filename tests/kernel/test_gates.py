"""Being cut off reaches as far as there are gates, in and out of loops."""

from __future__ import annotations

from tests.kernel.drivers import run_to_end
from tests.kernel.styles.graphs import END, Fn, Gate, graph


def test_a_gate_cut_off_inside_a_loop_cuts_off_the_gates_behind_the_loop() -> None:
    """`inner` never runs, because `more` always decides against it; nor may what stands below it, two gates on."""
    program = graph(
        "tail",
        [
            Fn("step", lambda n: n + 1, ("n",), ("n",)),
            Gate("more", lambda n: "step" if n < 3 else END, ("step", "inner", END), ("n",)),
            Gate("inner", lambda n: ["step", "below"], ("step", "below", END), ("n",)),
            Gate("below", lambda x: "leaf", ("leaf", END), ("x",)),
            Fn("leaf", lambda x: x, ("x",), ("y",)),
        ],
    )
    m = run_to_end(program, {"n": 0, "x": 1})
    assert m.status == "completed"
    assert dict(zip(program.compiled_plan.node_index, m.run_counts, strict=True)) == {
        "step": 3,
        "more": 3,
        "inner": 0,
        "below": 0,
        "leaf": 0,
    }


def test_one_gate_that_may_still_decide_is_enough() -> None:
    """`leaf` hangs below two gates: one is cut off, the other was never decided against and is open by default."""
    program = graph(
        "two",
        [
            Gate("top", lambda x: END, ("left", END), ("x",)),
            Gate("left", lambda x: "leaf", ("leaf", END), ("x",)),
            Gate("right", lambda missing: "leaf", ("leaf", END), ("missing",)),
            Fn("leaf", lambda x: x, ("x",), ("y",)),
        ],
    )
    m = run_to_end(program, {"x": 1})
    assert m.run_counts == [1, 0, 0, 1]
    assert run_to_end(program, {"x": 1, "missing": 1}).run_counts == [1, 0, 1, 1]


def test_a_gate_below_two_is_cut_off_only_by_both() -> None:
    def fired(left: str, right: str) -> list[int]:
        program = graph(
            "diamond",
            [
                Gate("left", lambda x: left, ("low", END), ("x",)),
                Gate("right", lambda x: right, ("low", END), ("x",)),
                Gate("low", lambda x: "leaf", ("leaf", END), ("x",)),
                Fn("leaf", lambda x: x, ("x",), ("y",)),
            ],
        )
        return run_to_end(program, {"x": 1}).run_counts

    assert fired(END, END) == [1, 1, 0, 0]
    assert fired("low", END) == fired(END, "low") == fired("low", "low") == [1, 1, 1, 1]
