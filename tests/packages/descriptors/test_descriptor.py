"""Descriptors: made of what is registered, and read as data of a stranger."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdwater.errors import PackageBuildError
from holdwater.model.triggers import Trigger, TriggerRegistry, TriggerResult
from holdwater.packages.descriptors.descriptor import ReleaseDescriptor, describe_package, read_descriptor
from holdwater.packages.manifests.manifest import PackageManifest, PackageSchedule, PackageTrigger
from tests.packages.reference_shapes import MANIFEST, SHAPES, registered_shapes

Data = dict[str, Any]


@pytest.fixture(scope="module")
def data() -> Data:
    triggers = TriggerRegistry()
    triggers.register(Trigger("poll", "linear", 5_000_000, False, TriggerResult.skip))
    schedule = PackageSchedule(name="nightly", workflow="nests", cron="0 2 * * *", timezone="Europe/Berlin")
    with registered_shapes() as (registry, _):
        described = describe_package(registry, triggers, MANIFEST, None, [schedule])
    made: Data = json.loads(json.dumps(described))
    return made


def workflow(data: Data, name: str) -> Data:
    found: Data = next(one for one in data["workflows"] if one["name"] == name)
    return found


def test_every_reference_workflow_is_described_and_read(data: Data) -> None:
    found = read_descriptor(data, MANIFEST)
    assert list(found.workflow_names) == sorted(SHAPES)
    with registered_shapes() as (registry, _):
        for name in SHAPES:
            definition = registry.get(name)
            assert found.workflows[name].plan == definition.plan
            assert found.workflows[name].children == {
                definition.plan.nodes[node].name: child.plan.name
                for node, child in definition.child_definitions().items()
            }
    assert found.workflows["nested/columns/rows"].is_child
    assert list(found.workflows["loops"].variants)
    assert [(one.name, one.poll_interval_seconds) for one in found.triggers] == [("poll", 5.0)]
    assert [one.name for one in found.schedules] == ["nightly"]


def test_nodes_are_named_by_their_package_and_executed_by_its_hosts(data: Data) -> None:
    node = read_descriptor(data, MANIFEST).workflows["linear"].row.nodes[0]
    assert (node["full_name"], node["executor"]) == ("public::reference::linear::t0", "packages")


def test_a_descriptor_that_was_read_says_what_was_written(data: Data) -> None:
    again = json.loads(json.dumps(data))
    assert read_descriptor(again, MANIFEST) == read_descriptor(data, MANIFEST)


HOSTILE: dict[str, Callable[[Data], Any]] = {
    "no object": lambda d: [],
    "another format": lambda d: {**d, "format": 2},
    "another package": lambda d: {**d, "package": "others"},
    "another version": lambda d: {**d, "version": "9"},
    "an unknown field": lambda d: {**d, "more": 1},
    "a workflow twice": lambda d: {**d, "workflows": [*d["workflows"], d["workflows"][0]]},
    "a workflow less": lambda d: {**d, "workflows": [one for one in d["workflows"] if one["name"] != "nests/mid"]},
    "a trigger of a stranger": lambda d: {**d, "triggers": [{**d["triggers"][0], "workflow": "elsewhere"}]},
    "a trigger of a child": lambda d: {**d, "triggers": [{**d["triggers"][0], "workflow": "nests/mid"}]},
    "a trigger that never rests": lambda d: {**d, "triggers": [{**d["triggers"][0], "poll_interval_us": 0}]},
    "a trigger twice": lambda d: {**d, "triggers": d["triggers"] * 2},
    "a schedule twice": lambda d: {**d, "schedules": d["schedules"] * 2},
    "no cron expression": lambda d: {**d, "schedules": [{**d["schedules"][0], "cron": "often"}]},
    "a long cron expression": lambda d: {**d, "schedules": [{**d["schedules"][0], "cron": "*" * 10_000}]},
    "a path for a time zone": lambda d: {**d, "schedules": [{**d["schedules"][0], "timezone": "../../etc/passwd"}]},
    "a schedule of a stranger": lambda d: {**d, "schedules": [{**d["schedules"][0], "workflow": "elsewhere"}]},
    "a deep value": lambda d: {**d, "triggers": json.loads("[" * 200 + "]" * 200)},
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_descriptor_is_refused(name: str, data: Data) -> None:
    with pytest.raises(PackageBuildError):
        read_descriptor(HOSTILE[name](copy.deepcopy(data)), MANIFEST)


def replaced(path: tuple[Any, ...], value: Any) -> Callable[[Data], None]:
    def change(one: Data) -> None:
        target: Any = one
        for key in path[:-1]:
            target = target[key]
        target[path[-1]] = value

    return change


HOSTILE_WORKFLOWS: dict[str, tuple[str, Callable[[Data], None]]] = {
    "a name that writes to the terminal": ("linear", replaced(("name",), "a\x1b[2J")),
    "a name of two lines": ("linear", replaced(("name",), "a\nb")),
    "a name that turns around": ("linear", replaced(("name",), "a\u202eb")),
    "a docstring that writes to the terminal": ("linear", replaced(("nodes", 0, "doc"), "\x1b]0;x\x07")),
    "a description that turns around": ("linear", replaced(("descriptor", "description"), "\u2066x")),
    "a tag with a control character": ("linear", replaced(("descriptor", "tags"), ["\x9b"])),
    "a name with NUL": ("linear", replaced(("name",), "a\0b")),
    "a name with line breaks": ("linear", replaced(("name",), "a\n2026-11-30 12:00:00 INFO forged")),
    "a node that writes backwards": ("linear", replaced(("plan", "nodes", 0, "name"), "t\u202e0")),
    "a tag with an escape": ("linear", replaced(("descriptor", "tags"), ["\x1b[31m"])),
    "a long name": ("linear", replaced(("name",), "a" * 1000)),
    "an unknown style": ("linear", replaced(("style",), "pickles")),
    "another structure": ("linear", replaced(("structure",), "0" * 16)),
    "a style of another plan": ("linear", replaced(("style",), "graphs")),
    "an unknown field of a plan": ("linear", replaced(("plan", "pickle"), "gASV")),
    "a plan of another workflow": ("linear", replaced(("plan", "name"), "diamond")),
    "two nodes of one name": ("linear", replaced(("plan", "nodes", 1, "name"), "t0")),
    "a dependency that is not there": ("linear", replaced(("plan", "nodes", 1, "after"), ["zzz"])),
    "a circle": ("linear", replaced(("plan", "nodes", 0, "after"), ["t4"])),
    "a node without a cell": ("linear", replaced(("plan", "nodes", 0, "writes"), [])),
    "a rule that is none": ("linear", replaced(("plan", "nodes", 1, "ready"), ["eval", "1"])),
    "an operator that is none": ("rules", replaced(("plan", "nodes", 1, "ready"), ["value", "a", "__class__", 1])),
    "a question in a task": ("linear", replaced(("plan", "nodes", 0, "kind"), "interrupt")),
    "a timer": ("linear", replaced(("plan", "nodes", 0, "wait_s"), 1.0)),
    "steps in another order": ("jumps", replaced(("plan", "nodes", 3, "after"), ["join"])),
    "a value rule in a graph": ("dag", replaced(("plan", "nodes", 1, "ready"), ["value", "a", "equals", 1])),
    "a target that is not there": ("gates", replaced(("plan", "nodes", 0, "targets"), ["zzz"])),
    "a read of nothing": ("dag", replaced(("plan", "nodes", 0, "reads", 0, 1), [])),
    "fewer nodes": ("linear", replaced(("nodes",), [])),
    "a node of another name": ("linear", replaced(("nodes", 0, "name"), "zzz")),
    "an absolute source file": ("linear", replaced(("nodes", 0, "source_file"), "/etc/passwd")),
    "a source file above": ("linear", replaced(("nodes", 0, "source_file"), "../x.py")),
    "a time-out that is none": ("linear", replaced(("nodes", 0, "timeout_seconds"), -1)),
    "retries without end": ("linear", replaced(("nodes", 0, "retry"), {"max_attempts": 10**30})),
    "a field of no policy": ("linear", replaced(("nodes", 0, "retry"), {"max_attempts": 2, "hook": "x"})),
    "resources that are none": ("linear", replaced(("nodes", 0, "resources"), {"num_cpus": -1})),
    "a child in a call": ("linear", replaced(("nodes", 0, "child_workflow"), "dag")),
    "a child of another workflow": ("nested", replaced(("nodes", 0, "child_workflow"), "nests/mid")),
    "a schema with a wrong keyword": ("linear", replaced(("descriptor", "inputs_schema"), {"properties": 1})),
    "a schema with a wrong bound": ("linear", replaced(("descriptor", "inputs_schema"), {"minimum": "x"})),
    "variants without plans": ("loops", replaced(("variants",), [])),
    "a fingerprint that is none": ("linear", replaced(("code",), "<script>")),
}


@pytest.mark.parametrize("name", HOSTILE_WORKFLOWS)
def test_a_hostile_workflow_is_refused(name: str, data: Data) -> None:
    target, change = HOSTILE_WORKFLOWS[name]
    hostile = copy.deepcopy(data)
    change(workflow(hostile, target))
    with pytest.raises(PackageBuildError):
        read_descriptor(hostile, MANIFEST)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def places(data: Any) -> list[tuple[Any, Any]]:
    """Every object and list of the data with each of its keys."""
    found: list[tuple[Any, Any]] = []
    stack = [data]
    while stack:
        one = stack.pop()
        keys = list(one) if isinstance(one, dict) else range(len(one)) if isinstance(one, list) else ()
        found += [(one, key) for key in keys]
        stack += [one[key] for key in keys]
    return found


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(draw=st.data())
def test_one_changed_value_is_refused_or_makes_another_descriptor_that_can_be_read(
    draw: st.DataObject, data: Data
) -> None:
    small = {**data, "workflows": [workflow(data, name) for name in ("rules", "jumps", "loops")]}
    hostile = copy.deepcopy({**small, "triggers": [], "schedules": []})
    spots = places(hostile)
    container, key = spots[draw.draw(st.integers(0, len(spots) - 1))]
    container[key] = draw.draw(JSON)
    try:
        found = read_descriptor(hostile, MANIFEST)
    except PackageBuildError:
        return
    assert isinstance(found, ReleaseDescriptor)
    for one in found.workflows.values():
        assert one.plan.structure == one.row.structure


def test_texts_of_several_lines_are_read(data: Data) -> None:
    kept = copy.deepcopy(data)
    one = workflow(kept, "linear")
    one["nodes"][0]["doc"] = "Größe.\n\n\tx\f ü 🎈"
    one["descriptor"]["description"] = "a\r\nb"
    found = read_descriptor(kept, MANIFEST).workflows["linear"].row
    assert found.nodes[0]["doc"] == one["nodes"][0]["doc"]


def test_triggers_of_an_old_manifest_have_functions(data: Data) -> None:
    declared = PackageTrigger(name="poll", workflow="dag", poll_interval_seconds=2.0)
    manifest = PackageManifest(name="reference", version="1.0", modules=(), triggers=(declared,))
    assert read_descriptor(data, manifest).triggers == (declared,)
    missing = PackageTrigger(name="other", workflow="dag")
    manifest = PackageManifest(name="reference", version="1.0", modules=(), triggers=(missing,))
    with pytest.raises(PackageBuildError, match="'other', which no function"):
        read_descriptor(data, manifest)
