"""Plans are data: they survive JSON, and their fingerprint says when two of them are one."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdwater.errors import WorkflowError
from holdwater.kernel import Machine, compile_plan
from holdwater.model.events import Started
from holdwater.model.plan import Plan, PlanNode, Read
from holdwater.model.rules import SETTLED_OUTCOMES, After, AllOf, AnyOf, GateOpen, HasRun, Not, Rule, ValuePredicate
from tests.kernel.programs import CASES, Case

names = st.text(min_size=1, max_size=5)
some_names = st.lists(names, max_size=3).map(tuple)
json_values = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
leaf_rules: st.SearchStrategy[Rule] = st.one_of(
    st.builds(After, names, st.frozensets(st.sampled_from(sorted(SETTLED_OUTCOMES)))),
    st.builds(GateOpen, names, names, st.booleans()),
    st.builds(ValuePredicate, names, st.sampled_from(["equals", "exists"]), json_values),
    st.builds(HasRun, names, st.booleans()),
)
rules = st.recursive(
    leaf_rules,
    lambda r: st.one_of(
        st.builds(Not, r),
        st.builds(AllOf, st.lists(r, max_size=3).map(tuple)),
        st.builds(AnyOf, st.lists(r, max_size=3).map(tuple)),
    ),
    max_leaves=6,
)
nodes = st.builds(
    PlanNode,
    name=names,
    kind=st.sampled_from(["call", "ask", "wait", "interrupt", "fan_out"]),
    after=some_names,
    ready=st.none() | rules,
    outcome_if_not_run=st.sampled_from(["skipped", "upstream_failed"]),
    reads=st.lists(st.builds(Read, names, some_names, st.booleans(), st.booleans(), st.booleans()), max_size=2).map(
        tuple
    ),
    writes=some_names,
    gates=some_names,
    targets=some_names,
    multi=st.booleans(),
    on_error=st.sampled_from(["stop", "fail", "ignore"]),
    wait_seconds=st.floats(min_value=0, max_value=1e6),
)
plans = st.builds(
    Plan,
    name=names,
    nodes=st.lists(nodes, max_size=4).map(tuple),
    style=st.sampled_from(["tasks", "steps", "graphs"]),
    inputs=some_names,
    aliases=st.dictionaries(names, names, max_size=2),
    max_iterations=st.none() | st.integers(1, 5000),
    sequence=st.booleans(),
)


@given(plans)
def test_a_plan_survives_json(plan: Plan) -> None:
    again = Plan.from_data(json.loads(json.dumps(plan.to_data())))
    assert again == plan
    assert again.structure == plan.structure


@given(plans, plans)
def test_a_structure_tells_plans_apart(one: Plan, other: Plan) -> None:
    def data(p: Plan) -> str:
        return json.dumps(p.to_data(), sort_keys=True)

    assert (one.structure == other.structure) == (data(one) == data(other))


def test_the_plans_of_all_styles_survive(case: Case) -> None:
    again = Plan.from_data(json.loads(json.dumps(case.program.plan.to_data())))
    assert again == case.program.plan


def test_a_structure_is_for_ever() -> None:
    """Recorded in journals: a release that changes it orphans every run that is under way."""
    plan = Plan(
        "order",
        (
            PlanNode("charge", reads=(Read("amount", ("amount",)),), writes=("receipt",)),
            PlanNode(
                "ship",
                after=("charge",),
                ready=AllOf((After("charge"), ValuePredicate("stock", "greater_than", 0))),
                outcome_if_not_run="upstream_failed",
            ),
            PlanNode("tell", kind="ask", ready=Not(HasRun("ship", negated=True)), on_error="ignore"),
        ),
        inputs=("amount",),
    )
    assert plan.structure == "c44ed0c219480fc6"


@pytest.mark.parametrize(
    "change",
    [
        {"name": "b2"}, {"kind": "ask"}, {"after": ()}, {"ready": After("a", frozenset())},
        {"outcome_if_not_run": "upstream_failed"}, {"reads": (Read("x", ("a",), must_be_newer=True),)},
        {"writes": ("b", "c")}, {"targets": ("a",)}, {"multi": True},
        {"on_error": "fail"}, {"wait_seconds": 2.0}, {"gates": ("a",)},
    ],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_every_part_of_a_node_is_in_the_structure(change: dict[str, Any]) -> None:
    b = PlanNode("b", after=("a",), ready=After("a"), reads=(Read("x", ("a",)),), writes=("b",))
    plan = Plan("p", (PlanNode("a", writes=("a",)), b))
    assert replace(plan, nodes=(plan.nodes[0], replace(b, **change))).structure != plan.structure
    assert replace(plan, nodes=(plan.nodes[0], replace(b))).structure == plan.structure


# -- compiled plans


def _compile_nodes(*nodes: PlanNode, **kw: Any) -> Any:
    return compile_plan(Plan("p", nodes, **kw))


LOOP = (PlanNode("a", after=("b",)), PlanNode("b", after=("a",)))


@pytest.mark.parametrize(
    ("nodes", "kw", "complaint"),
    [
        ((PlanNode("a"), PlanNode("a")), {}, "two nodes named 'a'"),
        ((PlanNode("a", after=("z",)),), {}, "'a' names 'z'"),
        ((PlanNode("a", ready=After("z")),), {}, "'a' names 'z'"),
        ((PlanNode("a", ready=AllOf((Not(HasRun("z")),))),), {}, "'a' names 'z'"),
        ((PlanNode("a", ready=GateOpen("z", "a")),), {}, "'a' names 'z'"),
        ((PlanNode("g", targets=("a",)), PlanNode("a", ready=GateOpen("g", "z"))), {}, "'a' names 'z'"),
        ((PlanNode("a", gates=("z",)),), {}, "'a' names 'z'"),
        ((PlanNode("a", writes=("c",)), PlanNode("b", writes=("c",))), {}, "'a' and 'b' both write 'c'"),
        ((PlanNode("a"),), {"inputs": ("x",), "aliases": {"x": "c"}}, "'x'.*'c'"),
        ((LOOP[0], replace(LOOP[1], kind="wait")), {}, "'b' is in a loop"),
        ((LOOP[0], replace(LOOP[1], ready=Not(ValuePredicate("x", "exists")))), {}, "'b' is in a loop"),
    ],
)
def test_compiling_refuses(nodes: tuple[PlanNode, ...], kw: dict[str, Any], complaint: str) -> None:
    with pytest.raises(WorkflowError, match=complaint):
        _compile_nodes(*nodes, **kw)


def test_units_stand_in_an_order_of_their_edges(case: Case) -> None:
    compiled_plan = case.program.compiled_plan
    for u, after in enumerate(compiled_plan.successors):
        assert all(u < v for v in after)
        assert sorted(set(after)) == sorted(after)
    assert sorted(i for unit in compiled_plan.unit_members for i in unit) == list(range(len(compiled_plan.plan.nodes)))
    assert [
        sum(v in after for after in compiled_plan.successors) for v in range(len(compiled_plan.unit_members))
    ] == list(compiled_plan.indegree)


def test_a_loop_is_one_unit() -> None:
    compiled_plan = CASES["graphs: loop"].program.compiled_plan
    loop = {compiled_plan.unit_of[compiled_plan.node_index[n]] for n in ("draft", "score", "judge", "improve")}
    assert len(loop) == 1
    assert compiled_plan.unit_of[compiled_plan.node_index["publish"]] not in loop


def test_an_empty_plan_completes() -> None:
    m = Machine(_compile_nodes())
    m.apply(Started({}))
    assert m.status == "completed"
