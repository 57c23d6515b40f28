"""Nodes found by name, and raw values converted, where the code is."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from holdwater.errors import AnswerError, InputError, TaskNotPortable
from holdwater.model.input_requests import InvalidValue, RawValue
from holdwater.model.node_inputs import NodeInputs
from holdwater.model.node_messages import pack_inputs, unpack_inputs
from holdwater.model.ports.definition import CodeReference
from holdwater.model.registry import Registry, registry
from holdwater.model.values import StoredValue
from holdwater.packages.programs.performing import convert_raw_values, find_definition
from tests.packages import package_flows
from tests.packages.reference_shapes import registered_shapes


@pytest.fixture(scope="module")
def known() -> Iterator[Registry]:
    before = set(registry.names())
    with registered_shapes("nests", "loops", "linear") as (found, _):
        package_flows.define_all()
        for name in set(registry.names()) - before:
            found.register(registry.get(name))
            registry.unregister(name)
        yield found


def reference_to(known: Registry, workflow: str, *children: str, node: int = 0) -> CodeReference:
    made = CodeReference(workflow, "", children, node, "")
    found: Any = known.get(workflow)
    for name in children:
        names = [one.name for one in found.plan.nodes]
        found = found.child_definitions()[names.index(name)]
    return replace(made, structure=found.plan.structure)


def test_a_node_is_found_by_workflow_variant_and_path(known: Registry) -> None:
    inner = find_definition(known, reference_to(known, "nests", "mid", "low"))
    assert inner.plan.name == "nests/mid/low"
    variant = known.get("loops").specialize({"n": 0, "seen": []})
    reference = CodeReference("loops", variant.plan.variant, (), 2, variant.plan.structure)
    assert find_definition(known, CodeReference.from_data(reference.to_data())) is variant


WRONG: dict[str, dict[str, Any]] = {
    "another workflow": {"workflow": "unknown"},
    "a child that is not there": {"children": ("nowhere",)},
    "a node that has no children": {"children": ("spread",)},
    "no node of the plan": {"node": 99},
    "a node before the first": {"node": -1},
    "another structure": {"structure": "0" * 16},
}


@pytest.mark.parametrize("case", WRONG)
def test_a_reference_that_leads_nowhere_is_refused(case: str, known: Registry) -> None:
    reference = replace(reference_to(known, "nests"), **WRONG[case])
    with pytest.raises(TaskNotPortable):
        find_definition(known, reference)


def inputs_of(**values: tuple[Any, str]) -> NodeInputs:
    """Inputs as they come from the runner, by way of their bytes."""
    raw = {
        name: RawValue(StoredValue.encode(value), source) if source else StoredValue.encode(value)
        for name, (value, source) in values.items()
    }
    return unpack_inputs(pack_inputs(NodeInputs({"inputs": raw})))


def test_raw_values_are_converted_by_the_definition_and_others_are_not(known: Registry) -> None:
    given = inputs_of(
        day=("2026-01-02", "input:day"), same=("2026-01-02", ""), other=(3, "input:other"), n=(None, "input:n")
    )
    found = convert_raw_values(known.get("typed"), given).groups["inputs"]
    assert found["day"].copy() == dt.date(2026, 1, 2)
    assert (found["same"].copy(), found["other"].copy(), found["n"].copy()) == ("2026-01-02", 3, None)
    assert not any(isinstance(value, RawValue) for value in found.values())


def test_answers_are_converted_by_the_node_that_has_asked(known: Registry) -> None:
    given = inputs_of(verdict=({"ok": True, "by": "me"}, "answer:ask"))
    found = convert_raw_values(known.get("asked"), given).groups["inputs"]["verdict"].copy()
    assert found == package_flows.Verdict(True, "me")


@pytest.mark.parametrize(
    ("workflow", "source", "error"),
    [("typed", "input:order", InputError), ("asked", "answer:ask", AnswerError), ("asked", "input:order", InputError)],
)
def test_a_raw_value_that_does_not_fit_raises_when_it_is_read(
    workflow: str, source: str, error: type[Exception], known: Registry
) -> None:
    found = convert_raw_values(known.get(workflow), inputs_of(x=({"id": 1}, source))).groups["inputs"]["x"]
    assert isinstance(found, InvalidValue)
    with pytest.raises(error):
        found.copy()


def test_a_raw_value_is_recorded_as_it_was_given() -> None:
    for value in (1, "text", None, {"a": [1]}, 1.5, True):
        stored = StoredValue.encode(value)
        raw = RawValue(stored, "input:x")
        assert (raw.text, raw.copy(), raw.is_scalar) == (stored.text, value, stored.is_scalar)
