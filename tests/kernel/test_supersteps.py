"""What only loops do: supersteps, iteration limits, questions asked again, failures behind a barrier."""

from __future__ import annotations

from holdwater.kernel import Machine
from holdwater.kernel.compiled_plan import RUN_INDEX
from holdwater.model import events as ev
from holdwater.model.commands import Execute
from tests.kernel.drivers import ChaosDriver, run_attempt, run_outcome, run_to_end
from tests.kernel.programs import CASES
from tests.kernel.styles.graphs import END, Fn, Gate, graph
from tests.kernel.styles.program import Program


def _counter(stop: int, limit: int) -> Program:
    return graph(
        "counter",
        [
            Fn("inc", lambda n: n + 1, ("n",), ("n",)),
            Gate("more", lambda n: "inc" if n < stop else END, ("inc", END), ("n",)),
            Fn("after", lambda n: -n, ("n",), ("m",)),
        ],
        entry=["inc"],
        max_iterations=limit,
    )


def test_a_loop_ends_at_its_limit() -> None:
    m = run_to_end(_counter(10**9, limit=50), {"n": 0})
    assert m.status == "failed"
    assert [kind for kind, _ in m.errors.values()] == ["loop"]
    assert sum(m.run_counts) == 50
    assert not m.run_counts[2]


def test_a_loop_may_use_all_its_iterations() -> None:
    assert run_to_end(_counter(25, limit=50), {"n": 0}).status == "completed"
    assert run_to_end(_counter(25, limit=49), {"n": 0}).status == "failed"


def test_resumed_at_its_limit_a_loop_goes_on() -> None:
    program = _counter(60, limit=50)
    chaos = ChaosDriver(program, {"n": 0})
    resumed = 0
    while chaos.run_to_end().status == "failed":
        chaos.restart()
        chaos.commit(ev.Resumed())
        resumed += 1
    assert resumed == 2
    assert program.outputs(chaos.machine) == {"n": 60, "m": -60}
    assert chaos.machine.errors == {}


def test_a_consumer_of_a_loop_runs_once_with_its_last_value() -> None:
    program = _counter(7, limit=50)
    m = run_to_end(program, {"n": 0})
    assert m.run_counts == [7, 7, 1]
    assert program.outputs(m)["m"] == -7


def test_nothing_is_published_before_the_barrier() -> None:
    """`short` and `long1` run together; what one of them wrote is invisible until the other is done."""
    program = CASES["graphs: forked loop"].program
    short, long1 = (program.compiled_plan.node_index[n] for n in ("short", "long1"))
    chaos = ChaosDriver(program, CASES["graphs: forked loop"].inputs)
    chaos.step()
    m = chaos.machine
    assert set(m.todo) == {short, long1}
    cells = list(m.versions)
    chaos.advance_node(short)
    assert m.versions == cells
    assert m.run_counts[short] == 0
    chaos.advance_node(long1)
    assert m.run_counts[short] == m.run_counts[long1] == 1


def test_a_failure_behind_the_barrier_keeps_its_siblings_results() -> None:
    case = CASES["graphs: forked loop"]
    expected = run_outcome(case.program, run_to_end(case.program, case.inputs))
    short, long1 = (case.program.compiled_plan.node_index[n] for n in ("short", "long1"))
    chaos = ChaosDriver(case.program, case.inputs)
    chaos.step()
    in_flight = chaos.machine.todo[long1]
    assert isinstance(in_flight, Execute)
    done = run_attempt(case.program, chaos.machine, in_flight, 0)
    chaos.commit(ev.Failed(short, chaos.machine.fences[short], "OSError", "broken"))
    assert chaos.machine.status == "running", "what runs may end"
    chaos.commit(done)
    assert chaos.machine.ended
    assert chaos.machine.errors == {short: ("OSError", "broken")}
    chaos.commit(ev.Resumed())
    assert list(chaos.machine.todo) == [short]
    assert run_outcome(case.program, chaos.run_to_end()) == expected


def test_answers_to_a_loop_are_used_in_the_order_they_came() -> None:
    case = CASES["graphs: questions in a loop"]
    person = case.program.compiled_plan.node_index["person"]
    chaos = ChaosDriver(case.program, case.inputs)
    for word in ("a", "b", "bye"):
        chaos.commit(ev.InputProvided(person, (word,)))
    assert case.program.outputs(chaos.run_to_end()) == {"reply": "bye", "said": ["a", "b"]}


def test_a_gate_that_says_nothing_opens_nothing() -> None:
    """A driver may leave the decision out: the machine is total."""
    program = CASES["graphs: many targets, even"].program
    m = Machine(program.compiled_plan)
    m.apply(ev.Started({"n": 4}))
    while m.todo:
        c = next(iter(m.todo.values()))
        assert isinstance(c, Execute)
        m.apply(ev.Succeeded(c.node, c.fence, tuple(1 for _ in program.plan.nodes[c.node].writes)))
    assert m.status == "completed"
    assert RUN_INDEX not in m.errors


def test_two_gates_that_wait_for_each_other_are_a_deadlock() -> None:
    program = graph(
        "twins",
        [
            Fn("a", lambda x, n: n + 1, ("x", "n"), ("n",)),
            Gate("p", lambda n: "q" if n < 4 else END, ("q", END), ("n",)),
            Gate("q", lambda n: "a", ("a", "p"), ("n",)),
        ],
        entry=["a"],
    )
    m = run_to_end(program, {"x": 1, "n": 0})
    assert m.run_counts == [1, 0, 0]
    assert m.status == "failed"
    assert m.errors == {
        1: ("deadlock", "a loop stands still, and no gate decided so: 'p' waits for 'q'; 'q' waits for 'p'")
    }


def test_a_deadlock_of_many_names_some() -> None:
    """A gate opens a ring of nodes, each of which is to come after the one before."""
    count = 400
    names = [f"n{k}" for k in range(count)]
    ring = [
        Fn(name, lambda x, o: 1, ("x", f"o{(k - 1) % count}"), (f"o{k}",), {f"o{(k - 1) % count}": 0})
        for k, name in enumerate(names)
    ]
    program = graph("ring", [Gate("all", lambda x, o: names, tuple(names), ("x", "o0")), *ring], entry=["all"])
    m = run_to_end(program, {"x": 1, "o0": 0})
    assert m.status == "failed"
    ((kind, text),) = m.errors.values()
    assert kind == "deadlock"
    assert text.startswith("a loop stands still, and no gate decided so: 'n0' waits for 'n399'; 'n1' waits for 'n0'; ")
    assert text.endswith("'n9' waits for 'n8'; ...")
