"""What a workflow tells about itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from holdwater.errors import WorkflowError
from holdwater.tasks import TaskNamespace, TaskWorkflow, WorkflowNamespace, task, task_failed
from tests.tasks.driver import make_builder


def build_diamond(**options: Any) -> TaskWorkflow:
    made, _ = make_builder("d")
    with made:
        task(id="end", dependencies=["left", "right"], **options)(lambda c: None)
        task(id="start")(lambda c: None)
        task(id="left", dependencies=["start"])(lambda c: None)
        task(id="right", dependencies=["start"])(lambda c: None)
        task(id="rescue", trigger_rules=task_failed("left"))(lambda c: None)
    return made.build()


def full_names(*names: str) -> list[str]:
    return [f"public::embedded::d::{name}" for name in names]


def test_order_levels_roots_and_leaves() -> None:
    d = build_diamond()
    assert d.topological_sort() == full_names("start", "left", "right", "rescue", "end")
    assert d.get_execution_levels() == [full_names("start"), full_names("left", "right"), full_names("rescue", "end")]
    assert d.get_roots() == full_names("start", "rescue")
    assert d.get_leaves() == full_names("end", "rescue")
    assert repr(d) == "Workflow(name='d', tasks=5)"
    d.validate()


def test_drawings() -> None:
    d = build_diamond()
    lines = d.to_mermaid().splitlines()
    assert lines[0] == "flowchart TD"
    assert '    n0["end"]' in lines
    assert "    n1 --> n2" in lines
    assert '    n2 -.->|"failed"| n4' in lines
    assert len(lines) == 1 + 5 + 5
    assert d.to_text().splitlines() == [
        "d",
        "├─ start",
        "├─ left  => rescue (failed)  <- start",
        "├─ right  <- start",
        "├─ end  <- left, right",
        "└─ rescue [if left failed]",
    ]
    assert d.to_svg().startswith("<svg")


def test_a_label_cannot_break_out_of_the_chart() -> None:
    made, _ = make_builder()
    with made:
        task(id='a"]; b["#x')(lambda c: None)
    assert made.build().to_mermaid().splitlines()[1] == '    n0["a#quot;]; b[#quot;#35;x"]'


def build_single_task_workflow(
    name: str, function: Callable[..., Any], *, text: str = "", tag: str = "", **options: Any
) -> TaskWorkflow:
    made, _ = make_builder(name)
    made.description(text).tag("t", tag)
    with made:
        task(id="first")(lambda c: None)
        task(id="x", **options)(function)
    return made.build()


def one(c: Any) -> None:
    c["x"] = 1


def two(c: Any) -> None:
    c["x"] = 2


def test_fingerprints_say_what_changed() -> None:
    base = build_single_task_workflow("w", one)
    prints = ("structure", "code", "version")
    for value in (getattr(base, which) for which in prints):
        assert len(value) == 16
        assert int(value, 16) >= 0
    cases: list[tuple[TaskWorkflow, set[str]]] = [
        (build_single_task_workflow("w", one), set()),
        (build_single_task_workflow("w", two), {"code", "version"}),
        (build_single_task_workflow("w", one, retry_attempts=2), {"code", "version"}),
        (build_single_task_workflow("w", one, timeout_seconds=2), {"code", "version"}),
        (build_single_task_workflow("w", one, dependencies=["first"]), {"structure", "version"}),
        (build_single_task_workflow("w", one, trigger_rules={"type": "Always"}), {"structure", "version"}),
        (build_single_task_workflow("v", one), {"structure", "version"}),
        (build_single_task_workflow("w", one, text="other"), {"version"}),
        (build_single_task_workflow("w", one, tag="other"), {"version"}),
    ]
    for other, changed in cases:
        assert {which for which in prints if getattr(other, which) != getattr(base, which)} == changed


def test_code_without_a_source_still_has_a_fingerprint() -> None:
    def compiled(source: str) -> str:
        scope: dict[str, Any] = {}
        exec(compile(source, "<nowhere>", "exec"), scope)
        return build_single_task_workflow("w", scope["f"]).code

    first = "def f(c):\n    return [x for x in (1, 2) if x in {1, 2}]"
    assert compiled(first) == compiled(first)
    assert compiled(first) != compiled(first.replace("(1, 2)", "(1, 3)"))
    assert build_single_task_workflow("w", Callable_()).code == build_single_task_workflow("w", Callable_()).code


class Callable_:
    __name__ = "x"

    def __call__(self, c: Any) -> None: ...


def test_namespaces() -> None:
    x, y = TaskNamespace("t", "p", "w", "x"), TaskNamespace.from_string("t::p::w::y")
    assert str(x) == "t::p::w::x"
    assert y.task_id == "y"
    assert x.parent() == TaskNamespace("t", "p", "w", "")
    assert x.is_child_of(x.parent())
    assert not x.is_child_of(y)
    assert x.is_sibling_of(y)
    assert not x.is_sibling_of(x)
    assert not x.is_sibling_of(TaskNamespace("t", "p", "v", "x"))
    assert len({x, TaskNamespace("t", "p", "w", "x")}) == 1
    for text in ("", "a", "a::b::c", "a::b::c::d::e"):
        with pytest.raises(WorkflowError, match="Invalid namespace format"):
            TaskNamespace.from_string(text)
    w = WorkflowNamespace("t", "p", "w")
    assert (str(w), w.workflow_namespace()) == ("t::p::w", "t::p::w")
    assert w.task_namespace("x") == w.resolve_dependency("x") == w.resolve_dependency("t::p::w::x") == x
    assert w.contains_namespace(x)
    assert not w.contains_namespace(TaskNamespace("t", "p", "v", "x"))
    assert w == WorkflowNamespace("t", "p", "w")
