"""Plans of strangers that are taken: whatever they say, a run of theirs comes to an end, and the engine goes on."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from holdwater import DefaultRunner, DefaultRunnerConfig
from holdwater.errors import PackageBuildError
from holdwater.model.message_framing import pack_frame
from holdwater.model.plan import Plan
from holdwater.model.registry import registry
from holdwater.model.triggers import TriggerRegistry
from holdwater.packages.descriptors.descriptor import describe_package
from holdwater.packages.programs.loading import LoadedRelease, load_release
from holdwater.runtime.executors.base import TaskInvocation
from tests.packages.descriptors.test_descriptor import places, workflow
from tests.packages.named_backend import RELEASE, NamedTriggers, installed_release
from tests.packages.reference_shapes import MANIFEST, registered_shapes
from tests.suite.runners import SIGNAL_TIMEOUT_SECONDS

SHAPES = ("linear", "rules", "merge", "jumps", "gates", "loops", "dag", "asks")
MAX_CALLS = 300
VALUES: dict[str, Any] = {"tasks": {"set": {"x": 1}, "del": []}, "steps": {"set": {}}, "graphs": 1}


class AnyHost:
    """Answers by the plan alone, as a package may: each value it writes, each target in turn, a question for each."""

    def __init__(self) -> None:
        self.calls = 0
        self.release: LoadedRelease | None = None
        self.max_concurrent = 1

    def open(self, name: str) -> AnyHost:
        return self

    def run_invocation(self, invocation: TaskInvocation) -> bytes:
        self.calls += 1
        reference = invocation.reference
        assert reference is not None
        assert self.release is not None
        (program,) = [one for one in self.release.definitions if one.plan.name == reference.workflow]
        plan = program.variant(reference.variant).plan
        node = plan.nodes[reference.node]
        if self.calls > MAX_CALLS:
            report = {"kind": "E", "text": "enough", "traceback": "", "retryable": False, "cancelled": False}
            return pack_frame(report)
        if node.kind == "interrupt":
            return pack_frame(None, pack_frame({"kind": "question"}, b'"?"'))
        branches = [name or "END" for name in program.describe().branches.get(reference.node, {})]
        decision = [branches[self.calls % len(branches)]] if plan.style == "graphs" and branches else None
        text = json.dumps(VALUES[plan.style]).encode()
        return pack_frame(None, pack_frame({"kind": "values", "decision": decision}, *[text] * len(node.writes)))

    def kill(self, invocation: TaskInvocation) -> None:
        """Nothing: every call ends at once."""

    def close(self) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def data() -> dict[str, Any]:
    with registered_shapes(*SHAPES) as (of_package, _):
        described = describe_package(of_package, TriggerRegistry(), MANIFEST)
    made: dict[str, Any] = json.loads(json.dumps(described))
    return made


@pytest.fixture(scope="module")
def host() -> AnyHost:
    return AnyHost()


@pytest.fixture(scope="module")
def runner(host: AnyHost) -> Iterator[DefaultRunner]:
    with DefaultRunner("memory://", config=DefaultRunnerConfig(executors={"packages": host})) as made:
        yield made


def change(draw: st.DataObject, container: Any, key: Any, names: list[str]) -> None:
    """Put something else in the place of a value, of a sort that may stand there."""
    value = container[key]
    if isinstance(value, bool) or value is None:
        container[key] = draw.draw(st.booleans())
    elif isinstance(value, str):
        container[key] = draw.draw(st.sampled_from(names))
    elif isinstance(value, list):
        container[key] = draw.draw(st.permutations(value)) if draw.draw(st.booleans()) else value[1:]
    elif isinstance(value, dict):
        container.pop(key)


@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much],
)
@given(draw=st.data())
def test_a_run_of_any_plan_that_is_taken_comes_to_an_end(
    draw: st.DataObject, data: dict[str, Any], host: AnyHost, runner: DefaultRunner
) -> None:
    name = draw.draw(st.sampled_from(SHAPES))
    one = copy.deepcopy(workflow(data, name))
    plans = [one["plan"], *one["variants"]]
    for plan in plans[-1:]:
        spots = places({"nodes": plan["nodes"], "aliases": plan.get("aliases", {}), "inputs": plan["inputs"]})
        names = [row["name"] for row in plan["nodes"]]
        cells = [cell for row in plan["nodes"] for cell in row.get("writes", [])]
        for _ in range(draw.draw(st.integers(1, 2))):
            container, key = spots[draw.draw(st.integers(0, len(spots) - 1))]
            if key in container or (isinstance(container, list) and key < len(container)):
                change(draw, container, key, [*names, *cells, *plan["inputs"]])
    try:
        structures = [Plan.from_data(plan).structure for plan in plans]
        one["structure"] = structures[0]
        for variant, structure in zip(one["descriptor"].get("variants", []), structures[1:]):
            variant["structure"] = structure
        hostile = {**data, "workflows": [one]}
        host.release = release = load_release(hostile, installed_release(MANIFEST), NamedTriggers(TriggerRegistry()))
    except (PackageBuildError, TypeError, ValueError, KeyError, AttributeError, IndexError):
        assume(False)
        raise
    host.calls = 0
    registry.register_release(RELEASE, release.definitions)
    registry.activate(RELEASE)
    try:
        inputs = {"loops": {"n": 0, "seen": []}, "asks": {"x": 1, "words": []}}.get(name, {"x": 1})
        run = runner.submit(name, inputs).result(SIGNAL_TIMEOUT_SECONDS)
        assert run.status in ("Completed", "Failed", "Paused")
    finally:
        registry.remove_release(RELEASE)
