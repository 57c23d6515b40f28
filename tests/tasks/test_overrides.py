"""Values edited as one task will see them: as if the task had begun by writing them."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from holdwater.model import events as ev
from holdwater.tasks import Context, Patch, TaskStyle
from holdwater.tasks import task as define
from tests.suite.effort import property_test
from tests.tasks.driver import KernelRun, get_definition, make_builder
from tests.tasks.test_run_data import START, Shape, append, build_workflow, put, read_only, workflow, workflow_shapes

STYLE = TaskStyle()


def make_override(values: dict[str, Any], removed: tuple[str, ...] = (), earlier: Patch | None = None) -> Patch:
    return STYLE.merge_overrides(values, removed, earlier)


OVERRIDES: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    ({"l": ["edited"]}, ()),
    ({"m": ["base", "edited"]}, ()),
    ({"s": None}, ()),
    ({"k": ["new"]}, ("s",)),
    ({"d": {"z": 1, "all": ["edited"]}}, ("t",)),
]


@property_test(
    workflow_shapes(), st.sampled_from(OVERRIDES), st.data(), st.integers(0, 99), quick_examples=100, long_examples=2000
)
def test_an_edit_is_what_the_task_writes_first(
    shape: Shape, made: tuple[dict[str, Any], tuple[str, ...]], data: st.DataObject, seed: int
) -> None:
    """The law: the same run as one whose task does to its context what the edit says, and then what it always does."""
    values, removed = made
    plain_tasks = [name for name, _, does in shape.tasks if not {("fail", ""), ("only if s", "")} & set(does)]
    if not plain_tasks:
        return
    edited = data.draw(st.sampled_from(plain_tasks))
    by_hand = build_workflow(shape)
    node = next(i for i, n in enumerate(by_hand.plan.nodes) if n.name == edited)
    task = by_hand._tasks[node]

    def body(context: Context) -> None:
        context.update_from_dict(values)
        for key in removed:
            context.remove(key)
        task.function(context)

    by_hand._tasks = tuple(replace(t, function=body) if t is task else t for t in by_hand._tasks)
    expected = KernelRun(by_hand, START).run_to_end()
    if expected.states[edited] != "succeeded":
        return  # cut off: it writes nothing, and passes on what it would have seen
    run = KernelRun(build_workflow(shape), START, {node: make_override(values, removed)}).run_to_end(
        random.Random(seed), restart=0.3
    )
    assert run.states == expected.states
    assert run.final_context == expected.final_context


def test_two_branches_both_append_to_an_edited_list() -> None:
    diamond = workflow(
        ("top", [], append("top")),
        ("left", ["top"], append("left")),
        ("right", ["top"], append("right")),
        ("join", ["left", "right"], read_only),
    )
    below = {1: make_override({"l": ["top", "edited"]})}
    assert KernelRun(diamond, {"l": []}, below).run_to_end().final_context["l"] == ["top", "edited", "left", "right"]
    above = {0: make_override({"l": ["edited"]})}
    assert KernelRun(diamond, {"l": []}, above).run_to_end().final_context["l"] == ["edited", "top", "left", "right"]


def test_none_is_a_value_and_a_removed_key_is_gone() -> None:
    seen: list[dict[str, Any]] = []
    chain = workflow(
        ("a", [], put(a=1, b=2)), ("b", ["a"], lambda c: seen.append(c.to_dict())), ("c", ["b"], read_only)
    )
    run = KernelRun(chain, {"x": 0}, {1: make_override({"a": None}, ("b", "nowhere"))}).run_to_end()
    assert seen == [{"x": 0, "a": None}]
    assert run.final_context == {"x": 0, "a": None}


def test_a_rule_sees_what_its_task_sees() -> None:
    made, registry = make_builder()
    with made:
        define(id="a")(put(go=False))
        rule = {"type": "ContextValue", "key": "go", "operator": "equals", "value": True}
        define(id="b", dependencies=["a"], trigger_rules=rule)(put(went=1))
    p = get_definition(registry)
    assert KernelRun(p).run_to_end().states["b"] == "skipped"
    assert KernelRun(p, None, {1: make_override({"go": True})}).run_to_end().final_context == {"go": True, "went": 1}


def test_edits_of_edits() -> None:
    first = make_override({"a": 1, "b": 2}, ("c",))
    second = make_override({"c": 3, "d": 4}, ("a",), first)
    assert second == Patch(dict(Context({"b": 2, "c": 3, "d": 4}).stored_values()), ("a",))


def test_the_result_of_a_run_that_still_waits_for_edited_tasks() -> None:
    both = workflow(
        ("x", [], read_only), ("a", ["x"], read_only), ("b", ["x"], read_only), ("j", ["a", "b"], read_only)
    )
    run = KernelRun(both, {"l": [0]}, {1: make_override({"l": [0, 1]}), 2: make_override({"l": [0, 2]})})
    for _ in range(3):
        assert run.final_context == {"l": [0, 1, 2]}
    run.run_to_end()
    assert run.final_context == {"l": [0, 1, 2]}


def test_a_board_forgets_what_a_retry_takes_back() -> None:
    fails = [True]

    def shaky(c: Context) -> None:
        if fails:
            raise ValueError("shaky")
        c["l"].append("a")

    made, registry = make_builder()
    with made:
        define(id="a")(shaky)
        define(id="b")(append("b"))
        define(id="tidy", dependencies=["a"], trigger_rules={"type": "Always"})(append("tidy"))
        define(id="j", dependencies=["tidy", "b"])(read_only)
    run = KernelRun(get_definition(registry), {"l": []}).run_to_end()
    assert run.machine.status == "failed"
    assert run.final_context == {"l": ["tidy", "b"]}
    fails.clear()
    run.machine.apply(ev.Resumed())
    assert run.run_to_end().final_context == {"l": ["a", "tidy", "b"]}
