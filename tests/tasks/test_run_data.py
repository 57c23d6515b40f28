"""What tasks see where branches meet."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import strategies as st

from holdwater.model import events as ev
from holdwater.model.plan import Plan
from holdwater.tasks import Context, Patch, TaskStyle, task
from holdwater.tasks.definition import TaskWorkflowDefinition
from tests.suite.effort import property_test
from tests.tasks.driver import KernelRun, get_definition, make_builder

TaskFunction = Callable[[Context], Any]


def workflow(*tasks: tuple[str, list[str], TaskFunction]) -> TaskWorkflowDefinition:
    made, registry = make_builder()
    with made:
        for name, dependencies, body in tasks:
            task(id=name, dependencies=dependencies)(body)
    return get_definition(registry)


def append(*items: Any, key: str = "l") -> TaskFunction:
    return lambda c: c[key].extend(items)


def put(**values: Any) -> TaskFunction:
    return lambda c: c.update_from_dict(values)


def drop(key: str) -> TaskFunction:
    return lambda c: c.__delitem__(key)


def read_only(c: Context) -> None:
    """A body that changes nothing."""


MANY = {f"k{i}": i for i in range(40)}
CASES: dict[str, tuple[list[tuple[str, list[str], TaskFunction]], dict[str, Any], dict[str, Any]]] = {
    "keys of both branches": (
        [("a", [], put(a=1)), ("b", [], put(b=2)), ("j", ["a", "b"], read_only)], {}, {"a": 1, "b": 2}),
    "untouched keys pass through": ([("a", [], read_only), ("b", ["a"], put(y=2))], {"x": 1}, {"x": 1, "y": 2}),
    "the later declared wins": (
        [("a", [], put(x=1)), ("b", [], put(x=2)), ("j", ["a", "b"], read_only)], {"x": 0}, {"x": 2}),
    "declared the other way": (
        [("a", [], put(x=1)), ("b", [], put(x=2)), ("j", ["b", "a"], read_only)], {"x": 0}, {"x": 1}),
    "only a change counts": (
        [("a", [], put(x=1)), ("b", [], put(x=0)), ("j", ["a", "b"], read_only)], {"x": 0}, {"x": 1}),
    "both appended": (
        [("a", [], append(1)), ("b", [], append(1)), ("j", ["a", "b"], append(2))], {"l": [0]}, {"l": [0, 1, 1, 2]}),
    "dictionaries by key": (
        [("a", [], lambda c: c["d"].update(a=1)), ("b", [], lambda c: c["d"].update(b=2)),
         ("j", ["a", "b"], read_only)],
        {"d": {"z": 0}}, {"d": {"z": 0, "a": 1, "b": 2}}),
    "removed here, untouched there": (
        [("a", [], drop("x")), ("b", [], put(y=1)), ("j", ["a", "b"], read_only)], {"x": 0}, {"y": 1}),
    "removed on both sides": ([("a", [], drop("x")), ("b", [], drop("x")), ("j", ["a", "b"], read_only)], {"x": 0}, {}),
    "removed, then set again": ([("a", [], drop("x")), ("b", ["a"], put(x=1))], {"x": 0}, {"x": 1}),
    "a later write beats its own ancestor": (
        [("a", [], put(x=1)), ("b", ["a"], put(x=2)), ("j", ["b", "a"], read_only)], {"x": 0}, {"x": 2}),
    "the join owns what it made": (
        [("a", [], append("a")), ("b", [], append("b")), ("j", ["a", "b"], read_only),
         ("end", ["j", "b", "a"], append("e"))],
        {"l": []}, {"l": ["a", "b", "e"]}),
    "two joins of the same branches agree": (
        [("a", [], append("a")), ("b", [], append("b")), ("j", ["a", "b"], append("j")), ("k", ["a", "b"], append("k")),
         ("end", ["j", "k"], read_only)], {"l": []}, {"l": ["a", "b", "j", "k"]}),
    "two joins in other orders lose nothing": (
        [("a", [], append("a")), ("b", [], append("b")), ("j", ["a", "b"], append("j")), ("k", ["b", "a"], append("k")),
         ("end", ["j", "k"], read_only)], {"l": []}, {"l": ["a", "b", "j", "k"]}),
    "the base is what both have seen": (
        [("a", [], append("a")), ("b", [], append("b")), ("j", ["a", "b"], read_only), ("c", ["a"], append("c")),
         ("end", ["j", "c"], read_only)], {"l": [0]}, {"l": [0, "a", "b", "c"]}),
    "a larger second branch is still the second": (
        [("a", [], put(x=1)), ("b", [], put(x=2, **MANY)), ("j", ["a", "b"], read_only)], {}, {"x": 2, **MANY}),
    "a larger second branch is not the first": (
        [("a", [], put(x=1)), ("b", [], put(x=2, **MANY)), ("c", [], put(x=3)), ("j", ["c", "b", "a"], read_only)],
        {}, {"x": 1, **MANY}),
    "an ancestor declared last is still an ancestor": (
        [("a", [], put(x=1)), ("b", [], put(x=2)), ("c", ["a"], put(x=3)),
         ("j", ["c", "b", "a"], read_only)], {}, {"x": 2}),
    "a join beats its branches in any order": (
        [("a", [], append("a")), ("b", [], append("b")), ("j", ["a", "b"], append("j")),
         ("e", ["b", "a", "j"], read_only)],
        {"l": []}, {"l": ["a", "b", "j"]}),
    "duplicates that were meant survive two joins": (
        [("a", [], append(1)), ("b", [], append(1)), ("j", ["a", "b"], append("j")), ("k", ["a", "b"], append("k")),
         ("e", ["j", "k"], read_only)], {"l": [0]}, {"l": [0, 1, 1, "j", "k"]}),
    "after a join in one order both append the same": (
        [("a", [], append("a")), ("b", [], append("b")), ("j", ["a", "b"], read_only), ("x", ["j"], append("x")),
         ("y", ["j"], append("x")), ("e", ["x", "y"], read_only)], {"l": [0]}, {"l": [0, "a", "b", "x", "x"]}),
    "after a join in the other order both append the same": (
        [("a", [], append("a")), ("b", [], append("b")), ("j", ["b", "a"], read_only), ("x", ["j"], append("x")),
         ("y", ["j"], append("x")), ("e", ["x", "y"], read_only)], {"l": [0]}, {"l": [0, "b", "a", "x", "x"]}),
    "a value that was overwritten does not come back": (
        [("a", [], put(x="a")), ("b", [], put(x="b")), ("c", [], put(x="c")), ("j", ["a", "b"], read_only),
         ("w", ["j"], put(x="w")), ("k", ["c", "j"], read_only), ("e", ["w", "k"], read_only)], {}, {"x": "w"}),
    "nor where the joins were in another order": (
        [("a", [], put(x="a")), ("b", [], put(x="b")), ("c", [], put(x="c")), ("j", ["a", "b"], put(x="w")),
         ("i", ["b", "a"], read_only), ("k", ["c", "i"], read_only), ("e", ["j", "k"], read_only)], {}, {"x": "w"}),
    "a new list on both sides": (
        [("a", [], put(l=[1, 2])), ("b", [], put(l=[2, 3])), ("j", ["a", "b"], read_only)], {}, {"l": [1, 2, 3]}),
    "leaves merge in definition order": (
        [("b", [], put(x=1, b=1)), ("a", [], put(x=2, a=1))], {}, {"x": 2, "b": 1, "a": 1}),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_joins(case: str) -> None:
    tasks, inputs, expected = CASES[case]
    run = KernelRun(workflow(*tasks), inputs).run_to_end()
    assert run.machine.status == "completed"
    assert run.final_context == expected
    assert repr(sorted(run.final_context.items())) == repr(sorted(expected.items()))


def test_the_diamond() -> None:
    def note(name: str) -> TaskFunction:
        return lambda c: c.set("execution_order", [*c.get("execution_order", []), name])

    diamond = workflow(
        ("start", [], note("start")),
        ("left", ["start"], note("left")),
        ("right", ["start"], note("right")),
        ("end", ["left", "right"], note("end")),
    )
    for seed in range(8):
        assert KernelRun(diamond).run_to_end(random.Random(seed)).final_context == {
            "execution_order": ["start", "left", "right", "end"]
        }


def test_no_equality_of_a_user_runs() -> None:
    left = workflow(("a", [], put(x=Odd(1))), ("b", [], put(x=Odd(2))), ("j", ["a", "b"], read_only))
    run = KernelRun(left, {"x": Odd(0)}).run_to_end()
    assert run.machine.status == "completed"
    assert run.final_context["x"].n == 2


@dataclass(eq=False)
class Odd:
    n: int

    def __eq__(self, other: object) -> bool:
        raise AssertionError("the merge called ==")


def fails(c: Context) -> None:
    c["bad"] = 1
    raise ValueError("no")


def test_a_task_that_did_not_run_passes_on_what_it_saw() -> None:
    made, registry = make_builder()
    with made:
        task(id="first")(put(first=1))
        task(id="bad", dependencies=["first"])(fails)
        task(id="cut", dependencies=["bad"])(put(cut=1))
        task(id="no", dependencies=["first"], trigger_rules={"type": "Any", "conditions": []})(put(no=1))
        task(id="end", dependencies=["cut", "no"], trigger_rules={"type": "Always"})(put(end=1))
    run = KernelRun(get_definition(registry)).run_to_end()
    assert run.states == {
        "first": "succeeded",
        "bad": "failed",
        "cut": "upstream_failed",
        "no": "skipped",
        "end": "succeeded",
    }
    assert run.final_context == {"first": 1, "end": 1}
    assert run.machine.status == "failed"


def test_what_a_rule_mentions_is_settled_but_not_seen() -> None:
    made, registry = make_builder()
    with made:
        task(id="asks", trigger_rules={"type": "TaskSuccess", "task_name": "asked"})(lambda c: c.set("saw", "x" in c))
        task(id="asked")(put(x=1))
    for seed in range(4):
        run = KernelRun(get_definition(registry)).run_to_end(random.Random(seed))
        assert run.final_context == {"saw": False, "x": 1}


def test_the_result_of_a_run_that_is_not_over_spoils_nothing() -> None:
    chain = workflow(("a", [], put(a=1)), ("b", ["a"], put(b=1)), ("c", ["b"], lambda c: c.set("seen", sorted(c))))
    run = KernelRun(chain, {"x": 0})
    assert run.final_context == {"x": 0}
    run.execute_command(run.machine.todo[0])
    assert run.final_context == {"x": 0, "a": 1}
    run.run_to_end()
    assert run.final_context == {"x": 0, "a": 1, "b": 1, "seen": ["a", "b", "x"]}


def test_a_cancelled_and_resumed_run_sees_everything() -> None:
    chain = workflow(("a", [], put(a=1)), ("b", ["a"], put(b=1)), ("c", ["b"], put(c=1)))
    run = KernelRun(chain)
    run.machine.apply(ev.CancelRequested())
    run.execute_command(run.machine.todo[0])
    assert (run.machine.status, run.final_context) == ("cancelled", {"a": 1})
    run.machine.apply(ev.Resumed())
    assert run.run_to_end().final_context == {"a": 1, "b": 1, "c": 1}


def test_a_board_needs_the_stored_plan_and_journal_only() -> None:
    run = KernelRun(
        workflow(("a", [], append(1)), ("b", [], append(2)), ("j", ["a", "b"], read_only)), {"l": [0]}
    ).run_to_end()
    stored = Plan.from_data(run.program.plan.to_data())
    assert stored == run.program.plan
    text = run.final_json
    run.program.plan = stored
    run.restart()
    assert run.final_json == text


@pytest.mark.parametrize("tree", [None, [], {}, {"set": {}}, {"set": [], "del": []}, {"set": {}, "del": 1}])
def test_a_cell_that_is_no_patch_is_refused(tree: Any) -> None:
    with pytest.raises(ValueError):
        TaskStyle().decode_value(tree)


def test_a_patch_survives_its_text() -> None:
    patch = Patch(dict(Context({'quo"te': "\ud800", "$t": {"$t": 1}, "n": None}).stored_values()), ("gone", "é"))
    assert Patch.from_tree(json.loads(patch.text)) == patch


# -- laws, over random workflows


@dataclass(frozen=True)
class Shape:
    """Tasks in definition order: name, dependencies, what each does to which key."""

    tasks: tuple[tuple[str, tuple[str, ...], tuple[tuple[str, str], ...]], ...]


TASK_ACTIONS = [("append", "l"), ("append", "m"), ("put", "s"), ("put", "t"), ("drop", "s"), ("nest", "d"),
          ("new", "k"), ("fail", ""), ("only if s", "")]  # fmt: skip


@st.composite
def workflow_shapes(draw: st.DrawFn, actions: list[tuple[str, str]] = TASK_ACTIONS, at_most: int = 3) -> Shape:
    n = draw(st.integers(2, 9))
    tasks = []
    for i in range(n):
        before = [f"t{k}" for k in range(i)]
        dependencies = draw(st.permutations(before))[: draw(st.integers(0, min(i, 3)))]
        does = draw(st.lists(st.sampled_from(actions), min_size=1, max_size=at_most))
        tasks.append((f"t{i}", tuple(dependencies), tuple(does)))
    return Shape(tuple(draw(st.permutations(tasks))))


def build_workflow(shape: Shape) -> TaskWorkflowDefinition:
    def body(name: str, does: tuple[tuple[str, str], ...]) -> TaskFunction:
        def run(c: Context) -> None:
            for what, key in does:
                if what == "append":
                    c[key].append(name)
                elif what == "put":
                    c[key] = name
                elif what == "drop":
                    c.remove(key)
                elif what == "nest":
                    c["d"].setdefault("all", []).append(name)
                    c["d"][name] = 1
                elif what == "new":
                    c.set(key, [*c.get(key, []), name])
                elif what == "fail":
                    raise ValueError(name)

        return run

    made, registry = make_builder()
    with made:
        for name, dependencies, does in shape.tasks:
            rule = {"type": "ContextValue", "key": "s", "operator": "exists"} if ("only if s", "") in does else None
            task(id=name, dependencies=dependencies, trigger_rules=rule)(body(name, does))
    return get_definition(registry)


START = {"l": [], "m": ["base"], "s": "base", "d": {"z": 0}}


@property_test(workflow_shapes(), st.integers(0, 2**32), quick_examples=50, long_examples=1000)
def test_no_order_and_no_restart_changes_anything(shape: Shape, seed: int) -> None:
    made = build_workflow(shape)
    plain = KernelRun(made, START).run_to_end()
    expected = (plain.final_json, plain.states, plain.errors, plain.machine.status)
    rng = random.Random(seed)
    for restart in (0.0, 0.0, 0.5):
        other = KernelRun(made, START).run_to_end(rng, restart)
        assert (other.final_json, other.states, other.errors, other.machine.status) == expected


def ancestors(shape: Shape) -> dict[str, set[str]]:
    direct = {name: set(dependencies) for name, dependencies, _ in shape.tasks}
    known: dict[str, set[str]] = {}
    for name in sorted(direct, key=lambda t: int(t[1:])):
        known[name] = direct[name].union(*[known[d] for d in direct[name]])
    return known


@property_test(
    workflow_shapes([("append", "l"), ("append", "m"), ("nest", "d")]), quick_examples=50, long_examples=1000
)
def test_what_was_appended_is_there_as_often_as_it_was_appended_and_in_causal_order(shape: Shape) -> None:
    final = KernelRun(build_workflow(shape), START).run_to_end().final_context
    above = ancestors(shape)
    for key, what, found in (("l", "append", final["l"]), ("m", "append", final["m"][1:]), ("d", "nest", final["d"])):
        if key == "d":
            found = found.get("all", [])
        written = sorted(name for name, _, does in shape.tasks for one in does if one == (what, key))
        assert sorted(found) == written
        first = {name: found.index(name) for name in found}
        assert all(first[a] < first[name] for name in first for a in above[name] if a in first)


@property_test(
    workflow_shapes([("put", "s"), ("put", "t"), ("drop", "s"), ("append", "l")], at_most=1),
    quick_examples=50,
    long_examples=1000,
)
def test_the_value_is_that_of_a_write_nobody_followed(shape: Shape) -> None:
    final = KernelRun(build_workflow(shape), START).run_to_end().final_context
    above = ancestors(shape)
    for key in "st":
        writes = {name: does[0][0] for name, _, does in shape.tasks if does[0][1] == key}
        if list(writes.values()).count("drop") > 1:
            continue  # dropping what is not there is no write
        last = [n for n in writes if not any(n in above[other] for other in writes)]
        allowed: list[Any] = [n if writes[n] == "put" else None for n in last] or [START.get(key)]
        assert final.get(key) in allowed
