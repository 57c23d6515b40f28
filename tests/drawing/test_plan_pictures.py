"""Pictures of plans as they come back from a database: no code of their workflows is there."""

from __future__ import annotations

import json
from typing import Any

import pytest

from holdwater import task
from holdwater.drawing import plan_pictures
from holdwater.drawing.picture import Arrow, Picture
from holdwater.drawing.plan_pictures import picture_of
from holdwater.drawing.rule_text import MAX_CONDITIONS, rule_text
from holdwater.graphs import END, Graph, interrupt, node, route
from holdwater.model.plan import Plan
from holdwater.model.rules import AllOf, AnyOf, Not, ValuePredicate, rule_leaves
from holdwater.steps import Step, Workflow
from holdwater.tasks import all_of, always, any_of, context_value, task_failed, task_skipped
from tests.tasks.driver import make_builder


def stored(plan: Plan) -> Plan:
    return Plan.from_data(json.loads(json.dumps(plan.to_data())))


def arrows(picture: Picture) -> list[tuple[str, str, str, str]]:
    return [(one.source, one.target, one.kind, one.label) for one in picture.arrows]


def build_tasks(**rules: Any) -> Picture:
    """Tasks a and b, c after a, and one per rule, after nothing."""
    made, _ = make_builder()
    with made:
        task(id="a")(lambda context: None)
        task(id="b")(lambda context: None)
        task(id="c", dependencies=["a"])(lambda context: None)
        for name, rule in rules.items():
            task(id=name, trigger_rules=rule)(lambda context: None)
    return picture_of(stored(made.build().plan))


def test_tasks_and_their_rules() -> None:
    picture = build_tasks(
        clean_up=task_failed("a"),
        tell=any_of(task_skipped("c"), all_of(context_value("amount", ">", 900), context_value("mail", "exists"))),
        last=always(),
    )
    assert list(picture.boxes) == ["a", "b", "c", "clean_up", "tell", "last"]
    assert {box.kind for box in picture.boxes.values()} == {"function"}
    assert {name: box.note for name, box in picture.boxes.items() if box.note} == {
        "clean_up": "if a failed",
        "tell": "if c skipped or (amount > 900 and mail exists)",
        "last": "if always",
    }
    assert arrows(picture) == [
        ("a", "c", "data", ""),
        ("a", "clean_up", "control", "failed"),
        ("c", "tell", "control", "skipped"),
    ]


def test_a_task_after_many_others_costs_no_look_at_its_rule_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[object] = []

    def counted(rule: Any) -> Any:
        looks.append(rule)
        return rule_leaves(rule)

    monkeypatch.setattr(plan_pictures, "rule_leaves", counted)
    made, _ = make_builder()
    with made:
        names = [f"t{k}" for k in range(100)]
        for name in names:
            task(id=name)(lambda context: None)
        task(id="last", dependencies=names)(lambda context: None)
    assert len(picture_of(stored(made.build().plan)).arrows) == 100
    assert len(looks) <= 3 * 101


def test_a_rule_of_any_size_is_told_in_a_few_words() -> None:
    deep: Any = ValuePredicate("x", "equals", "y" * 100)
    for _ in range(5000):
        deep = Not(deep)
    assert rule_text(deep).endswith("…" + ")" * 7)
    wide = AllOf(tuple([ValuePredicate(f"x{i}", "exists") for i in range(5000)]))
    assert rule_text(wide).count(" and ") == MAX_CONDITIONS
    assert rule_text(AnyOf((ValuePredicate("x", "equals", "y" * 100),))) == f'x = "{"y" * 22}…'


def test_steps_are_a_chain() -> None:
    workflow = Workflow(
        "w",
        [
            Step.choice("big", lambda context: True, "all", "rest", join="rest"),
            Step.map("all", [1], step=Step.lambda_("one", lambda context, config: None)),
            Step.wait("rest", 5),
        ],
    )
    picture = picture_of(stored(workflow.plan))
    assert picture.sequence
    assert [(box.kind, box.note) for box in picture.boxes.values()] == [
        ("function", ""), ("graph", "child runs"), ("function", ""),
    ]  # fmt: skip
    assert arrows(picture) == [("big", "all", "data", ""), ("all", "rest", "data", "")]


@node(output_name="draft")
def write(topic: str, verdict: str = "") -> str:
    return topic


@interrupt(answer_name="verdict", response_type=str)
def ask(draft: str) -> str:
    return draft


@route(targets=["write", "print_it", END])
def judge(verdict: str) -> str:
    return END


@node(output_name="printed", emit="done")
def print_it(draft: str) -> str:
    return draft


@node(wait_for="done", output_name="told")
def tell() -> str:
    return ""


def test_graphs_with_data_gates_and_signals() -> None:
    graph = Graph([write, ask, judge, print_it, tell], name="press", entrypoint="write")
    plan = stored(graph.program().specialize({"topic": "rain"}).plan)
    picture = picture_of(plan, nested=["write"])
    assert {name: box.kind for name, box in picture.boxes.items()} == {
        "write": "graph", "ask": "question", "judge": "route", "print_it": "function", "tell": "function",
    }  # fmt: skip
    found = {(one.source, one.target): one for one in picture.arrows}
    assert len(found) == len(picture.arrows)
    assert found["write", "ask"] == Arrow("write", "ask", "data", names=("draft",))
    assert found["ask", "judge"].names == ("verdict",)
    assert found["judge", "write"].kind == found["judge", "print_it"].kind == "control"
    assert found["print_it", "tell"].kind == "ordering"
    assert ("tell", "tell") not in found


def test_what_the_code_says_of_decisions_is_on_the_arrows() -> None:
    graph = Graph([write, ask, judge, print_it, tell], name="press", entrypoint="write")
    program = graph.program()
    branches = {program.plan.nodes[i].name: ways for i, ways in program.describe().branches.items()}
    assert branches == {"judge": {"write": "", "print_it": "", "": ""}}
    picture = picture_of(stored(program.plan), branches=branches)
    assert ("judge", "END", "control", "") in arrows(picture)
    assert picture.boxes["END"].kind == "end"
    labelled = picture_of(stored(program.plan), branches={"judge": {"write": "again", "": "enough"}})
    found = arrows(labelled)
    assert ("judge", "write", "control", "again") in found
    assert ("judge", "END", "control", "enough") in found


def test_steps_with_their_jumps() -> None:
    def step(name: str) -> Step:
        return Step.lambda_(name, lambda context, config: None)

    workflow = Workflow(
        "w",
        [
            Step.choice("big", lambda context: True, "all", "some", join="rest"), step("all"), step("some"),
            Step.wait("rest", 5, next_step="last"), step("passed"), step("last"),
            Step.choice("mail", lambda context: True, "send"), step("send"),
        ],
    )  # fmt: skip
    program = workflow.program()
    branches = {program.plan.nodes[i].name: ways for i, ways in program.describe().branches.items()}
    picture = picture_of(stored(program.plan), branches=branches)
    assert arrows(picture) == [
        ("big", "all", "control", "then"), ("big", "some", "control", "else"), ("all", "rest", "control", ""),
        ("some", "rest", "data", ""), ("rest", "last", "control", ""), ("passed", "last", "data", ""),
        ("last", "mail", "data", ""), ("mail", "send", "control", "then"), ("mail", "END", "control", "else"),
    ]  # fmt: skip
    assert {name for name, box in picture.boxes.items() if box.kind == "route"} == {"big", "mail"}


def test_a_step_may_be_named_like_the_end() -> None:
    end = Step.lambda_("END", lambda context, config: None)
    workflow = Workflow("w", [Step.choice("big", lambda context: True, "END"), end])
    picture = picture_of(stored(workflow.plan), branches={"big": {"END": "then", "": "else"}})
    assert arrows(picture) == [("big", "END", "control", "then")]
    assert picture.boxes["END"].kind == "function"


def test_the_digest_is_that_of_what_a_layout_depends_on() -> None:
    first, second = build_tasks(x=task_failed("a")), build_tasks(x=task_failed("a"))
    assert first.digest == second.digest
    second.boxes["a"].kind = "graph"
    assert first.digest == second.digest
    second.arrows[0].label = "x"
    assert first.digest != second.digest
    assert build_tasks(x=task_failed("b")).digest != first.digest
