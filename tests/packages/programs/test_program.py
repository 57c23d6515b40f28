"""Workflows without their code: their inputs, variants, answers, policies and announcements are those of the code."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any, cast

import pytest

from holdwater import Context
from holdwater.errors import InputError, MissingInputError, TaskNotPortable, WorkerCrashed
from holdwater.graphs import Graph, node, register_graph
from holdwater.model.descriptor import describe_workflow
from holdwater.model.input_requests import RawValue
from holdwater.model.registry import Registry, registry
from holdwater.model.time import UNSET
from holdwater.packages.manifests.manifest import ExecutionLimits, PackageManifest
from holdwater.packages.programs.program import PackagedProgram
from holdwater.steps import Step, Workflow, register_workflow
from holdwater.tasks.patch import Patch
from tests.packages import package_flows
from tests.packages.named_backend import load_registered
from tests.packages.reference_shapes import SHAPES, registered_shapes

MANIFEST = PackageManifest(name="reference", version="1.0", modules=(), execution=ExecutionLimits(timeout_seconds=7.0))


@pytest.fixture(scope="module")
def known() -> Iterator[Registry]:
    """All workflows of these tests, in a registry of their own; steps find those they run in that of the process."""
    before = set(registry.names())
    with registered_shapes() as (found, _):
        package_flows.define_all()
        define_more()
        more = set(registry.names()) - before
        for name in more:
            found.register(registry.get(name))
        yield found
        for name in more:
            registry.unregister(name)


def define_more() -> None:
    @node(output_name="y")
    def scale(x: int, factor: int = 2) -> int:
        return factor * x

    inner = Graph([scale], name="inner")
    register_graph(Graph([scale], name="bound").bind(factor=5), "bound")
    register_graph(Graph([inner.as_node(name="part", namespaced=True)], name="spaces"), "spaces")
    register_workflow(Workflow("defaulted", [Step.wait("now", 0)], defaults={"mode": "fast", "n": 1}))


@pytest.fixture(scope="module")
def programs(known: Registry) -> dict[str, PackagedProgram]:
    return {one.plan.name: one for one in load_registered(known, MANIFEST).definitions}


@pytest.mark.parametrize("name", [*SHAPES, "typed", "observed", "asked", "mapped_tasks", "calls", "selfish", "bound"])
def test_a_program_is_announced_as_its_code_is(
    name: str, known: Registry, programs: dict[str, PackagedProgram]
) -> None:
    row, plans = describe_workflow(name, known.get(name), UNSET)
    again, same_plans = describe_workflow(name, programs[name], UNSET)
    assert same_plans == plans
    assert (again.descriptor, again.style, again.structure, again.code) == (
        row.descriptor,
        row.style,
        row.structure,
        row.code,
    )
    placed = ("full_name", "executor", "source_file", "source_line")
    for mine, its in zip(row.nodes, again.nodes, strict=True):
        assert {key: v for key, v in its.items() if key not in placed and (key, v) != ("timeout_seconds", 7.0)} == {
            key: v for key, v in mine.items() if key not in placed
        }
        assert (its["executor"], its["full_name"]) == ("packages", f"public::reference::{name}::{mine['name']}")


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("linear", {"a": 1, "day": dt.date(2026, 1, 1)}),
        ("linear", None),
        ("linear", Context({"a": [1]})),
        ("jumps", {"n": 2}),
        ("defaulted", None),
        ("defaulted", {"n": 2}),
        ("dag", {"x": 3}),
        ("loops", {"n": 0, "seen": []}),
        ("bound", {"x": 1}),
        ("spaces", {"part": {"x": 1}}),
        ("spaces", {"part.x": 1, "part.factor": 3}),
    ],
)
def test_inputs_become_the_same_cells(
    name: str, given: Any, known: Registry, programs: dict[str, PackagedProgram]
) -> None:
    own, packaged = known.get(name).specialize(given), programs[name].specialize(given)
    assert packaged.plan == own.plan
    cells = packaged.encode_inputs(given)
    assert {key: cell.text for key, cell in cells.items()} == {
        key: cell.text for key, cell in own.encode_inputs(given).items()
    }
    assert packaged.release == programs[name].release


def test_inputs_that_a_workflow_needs_must_be_given(programs: dict[str, PackagedProgram]) -> None:
    for name in ("dag", "typed"):
        with pytest.raises(MissingInputError):
            programs[name].encode_inputs({})
    with pytest.raises(InputError, match="x must be an integer"):
        programs["dag"].encode_inputs({"x": "three"})


def test_values_that_json_does_not_have_are_judged_by_the_code_alone(programs: dict[str, PackagedProgram]) -> None:
    order = package_flows.Order(1, dt.date(2026, 1, 1))
    cells = programs["typed"].encode_inputs({"order": order, "day": dt.date(2026, 1, 1)})
    assert cast(Patch, cells["*"]).set["order"].copy() == order
    (cell,) = programs["asked"].encode_answer(0, package_flows.Verdict(True, "me"))
    assert (type(cell), cell.source, cell.copy().by) == (RawValue, "answer:ask", "me")


def test_a_graph_takes_its_inputs_of_what_a_schedule_gives_and_warns_of_the_rest(
    programs: dict[str, PackagedProgram],
) -> None:
    with pytest.warns(UserWarning, match="'scheduled_time'"):
        cells = programs["dag"].encode_inputs({"x": 3, "scheduled_time": "2026-01-01T00:00:00Z"})
    assert list(cells) == ["x"]


def test_a_graph_cannot_start_from_what_its_nodes_give(programs: dict[str, PackagedProgram]) -> None:
    with pytest.raises(InputError, match="'left', which its nodes give"):
        programs["dag"].specialize({"x": 3, "left": 1})


def test_a_variant_that_was_not_announced_is_refused(programs: dict[str, PackagedProgram]) -> None:
    with pytest.raises(InputError, match="cannot be started from 'n' without its code"):
        programs["loops"].specialize({"n": 0})


def test_a_caller_gives_what_is_declared_and_not_bound(known: Registry, programs: dict[str, PackagedProgram]) -> None:
    values = {"x": 1, "factor": 2, "part": {"x": 1}, "other": 3}
    for name in ("bound", "dag", "spaces", "linear", "jumps"):
        assert programs[name].select_inputs(values) == known.get(name).select_inputs(values), name


def test_declared_inputs_are_marked_with_their_source(programs: dict[str, PackagedProgram]) -> None:
    typed = programs["typed"]
    cells = typed.validate_inputs(
        typed.encode_inputs({"order": {"id": 1, "day": "2026-01-01"}, "day": "2026-01-02", "n": 1})
    )
    patch = cast(Patch, cells["*"])
    marks = {key: value.source for key, value in patch.set.items() if isinstance(value, RawValue)}
    assert marks == {"order": "input:order", "day": "input:day"}
    assert patch.set["n"].copy() == 1


def test_a_policy_judges_only_what_happens_to_processes(programs: dict[str, PackagedProgram]) -> None:
    crashing, observed = programs["crashing"], programs["observed"]
    crash = WorkerCrashed("it died")
    assert crashing.policy(0).retry.is_retryable(crash, "CRASHED", "it died")
    assert not crashing.policy(1).retry.is_retryable(crash, "CRASHED", "it died")
    assert observed.policy(0).retry.max_attempts == 3
    assert programs["slow"].policy(0).timeout_seconds == 0.3
    assert observed.policy(0).timeout_seconds == 7.0


def test_children_are_of_the_same_release_and_circles_end(programs: dict[str, PackagedProgram]) -> None:
    child = programs["selfish"].child_definitions()[0]
    assert (child.plan.name, child.release) == ("selfish_too", programs["selfish"].release)
    assert child.child_definitions()[0].plan.name == "selfish"
    reference = child.code_reference(0)
    assert reference is not None
    assert reference.to_data() == ["selfish", "", ["again"], 0, child.plan.structure]


def test_a_program_executes_nothing_itself(programs: dict[str, PackagedProgram]) -> None:
    with pytest.raises(TaskNotPortable, match="code of a package"):
        programs["linear"].execute(0, None, None)
