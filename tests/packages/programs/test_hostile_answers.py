"""Answers of hosts that are no answers: the attempt fails, and nothing of them reaches the journal or is imported."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdwater import DefaultRunner, DefaultRunnerConfig
from holdwater.model.message_framing import pack_frame
from holdwater.model.registry import registry
from holdwater.packages.manifests.manifest import PackageManifest
from holdwater.runtime.executors.base import TaskInvocation
from tests.crash import shapes
from tests.packages import package_flows
from tests.packages.named_backend import RELEASE, NamedExecutor, load_registered
from tests.packages.reference_shapes import registered_shapes
from tests.suite.runners import SIGNAL_TIMEOUT_SECONDS

FORGED = "forged-by-the-host"
EVENTS = {
    "started", "failed", "succeeded", "timer_set", "timer_fired", "child_runs_requested", "child_status_changed",
    "input_requested", "rule_evaluated", "deferred",
}  # fmt: skip
SHAPES = ("linear", "rules", "jumps", "naps", "nested", "gates", "dag", "nests", "asks", "loops")
MANIFEST = PackageManifest(name="hostile", version="1", modules=())


class Scene:
    """A runner whose host forges the answers for one node."""

    def __init__(self, runner: DefaultRunner) -> None:
        self.runner = runner
        self.node = ""
        self.forge: Callable[[bytes], bytes] = lambda answer: answer

    def answer(self, invocation: TaskInvocation, answer: bytes) -> bytes:
        return self.forge(answer) if invocation.name.endswith(f"::{self.node}") else answer

    def run(self, workflow: str, node: str, forge: Callable[[bytes], bytes], **inputs: Any) -> Any:
        self.node, self.forge = node, forge
        return self.runner.submit(workflow, inputs).result(SIGNAL_TIMEOUT_SECONDS)

    def events(self, run_id: str) -> list[list[Any]]:
        rows = self.runner._engine.store.read_journal(run_id)
        return [event for row in rows for event in json.loads(row.entries)]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("hostile")
    before = set(registry.names())
    package_flows.define_tasks()
    with pytest.MonkeyPatch.context() as patched, registered_shapes(*SHAPES) as (of_package, _):
        patched.setattr(shapes, "LOG", folder / "log")
        for name in set(registry.names()) - before:
            of_package.register(registry.get(name))
            registry.unregister(name)
        scene: Scene
        config = DefaultRunnerConfig(
            executors={"packages": NamedExecutor(of_package, 1, lambda *given: scene.answer(*given))}
        )
        with DefaultRunner(f"sqlite:///{folder}/runs.db", config=config) as runner:
            scene = Scene(runner)
            registry.register_release(RELEASE, load_registered(of_package, MANIFEST).definitions)
            registry.activate(RELEASE)
            yield scene
            registry.remove_release(RELEASE)


def result(header: Any, *cells: Any) -> Callable[[bytes], bytes]:
    """An answer in the right frames, with this header and these values."""
    texts = [(cell if isinstance(cell, str) else json.dumps(cell)).encode() for cell in cells]
    return lambda answer: pack_frame(None, pack_frame(header, *texts))


def values(*cells: Any, decision: Any = None, **more: Any) -> Callable[[bytes], bytes]:
    return result({"kind": "values", "decision": decision, **more}, *cells)


def children(*cells: Any, names: Any = None, width: Any = None, fail_fast: Any = True) -> Callable[[bytes], bytes]:
    asked = [["*"] for _ in cells] if names is None else names
    header = {"kind": "child_runs", "inputs": asked, "max_concurrency": width, "fail_fast": fail_fast}
    return result(header, *cells)


def failure(**fields: Any) -> Callable[[bytes], bytes]:
    report = {"kind": "E", "text": "t", "traceback": "", "retryable": False, "cancelled": False}
    return lambda answer: pack_frame({**report, **fields})


PATCH = {"set": {"x": 1}, "del": []}
CONTEXT: dict[str, Any] = {"set": {}, "del": []}
DELTA: dict[str, Any] = {"set": {}}
MISSING = {"$t": "missing"}
QUESTION = result({"kind": "question"}, "?")
WAIT = result({"kind": "wait", "until": 1_700_000_000_000_000})

CASES: dict[str, tuple[str, str, Callable[[bytes], bytes]]] = {
    "no frame": ("linear", "t1", lambda answer: b"\x00\x00"),
    "more behind the frame": ("linear", "t1", lambda answer: answer + b"x"),
    "a task that decides": ("linear", "t1", values(PATCH, decision=["t3", ""])),
    "a task that asks": ("linear", "t1", QUESTION),
    "a task that waits": ("linear", "t1", WAIT),
    "a task with child runs": ("linear", "t1", children(CONTEXT)),
    "a task that removes what is not there": ("linear", "t1", values({"set": {}, "del": [FORGED]})),
    "two changes of one task": ("linear", "t1", values(PATCH, PATCH)),
    "a missing value of a task": ("linear", "t1", values(MISSING)),
    "notes that are no texts": ("linear", "t1", values(PATCH, notes=[1])),
    "too many notes": ("linear", "t1", values(PATCH, notes=["x"] * 100)),
    "notes of a question": ("asks", "ask_left", result({"kind": "question", "notes": []}, "?")),
    "a failure with notes that are none": ("linear", "t1", failure(notes="x")),
    "a failure with a journal": ("linear", "t1", failure(journal=[FORGED])),
    "a map that has no such input": ("mapped_tasks", "square", children(CONTEXT, names=[[FORGED]])),
    "a map of no width": ("mapped_tasks", "square", children(CONTEXT, width=0)),
    "a map that fails perhaps": ("mapped_tasks", "square", children(CONTEXT, fail_fast=1)),
    "a map with more values than inputs": ("mapped_tasks", "square", children(CONTEXT, CONTEXT, names=[["*"]])),
    "a step that jumps back": ("jumps", "join", values(DELTA, decision=["first", "join"])),
    "a step that jumps nowhere": ("jumps", "join", values(DELTA, decision=["careless", FORGED])),
    "a step that waits and does not": ("jumps", "first", WAIT),
    "a step that asks": ("jumps", "first", QUESTION),
    "a step with child runs": ("jumps", "first", children({"params": {}})),
    "a wait that wants to wait in the year 20000": ("naps", "nap", result({"kind": "wait", "until": 10**18})),
    "a map of steps with an input of tasks": ("nested", "columns", children(CONTEXT)),
    "a gate that does not decide": ("gates", "is_big", values()),
    "a gate that decides for a stranger": ("gates", "is_big", values(decision=["go_on"])),
    "a gate that decides for two": ("gates", "is_big", values(decision=["big", "small"])),
    "a gate with a value": ("gates", "is_big", values(1, decision=["big"])),
    "a node that decides": ("dag", "split", values(1, 2, decision=["left"])),
    "a node that asks": ("dag", "split", QUESTION),
    "a node that waits": ("dag", "split", WAIT),
    "a node with child runs": ("dag", "split", children(1, names=[["x"]])),
    "a node with a missing value": ("dag", "split", values(MISSING, 1)),
    "a nested graph with an input it does not have": ("nests", "mid", children(1, names=[[FORGED]])),
    "a nested graph that decides": ("nests", "mid", values(1, decision=["all"])),
    "an interrupt that answers itself": ("asks", "ask_left", values(1)),
}


@pytest.mark.parametrize("case", CASES)
def test_a_hostile_answer_fails_its_attempt(case: str, scene: Scene) -> None:
    workflow, node, forge = CASES[case]
    modules = set(sys.modules)
    given = {"n": 0, "seen": []} if workflow == "loops" else {"x": 3, "words": []} if workflow == "asks" else {"x": 3}
    run = scene.run(workflow, node, forge, **given)
    assert run.status == "Failed"
    assert "BadAnswer" in str(run.error_message), run.error_message
    events = scene.events(run.run_id)
    assert {event[0] for event in events} <= EVENTS
    assert FORGED not in json.dumps([event[:5] for event in events])
    assert [name for name in set(sys.modules) - modules if name.startswith(("tests", FORGED))] == []


def test_a_second_request_for_child_runs_is_refused(scene: Scene) -> None:
    """The first one of an honest host is taken; a host that has its results and asks again would never end."""
    request = children({"set": {"item": 1}, "del": []})
    run = scene.run("mapped_tasks", "square", request)
    assert "asked for child runs a second time" in str(run.error_message)


def test_a_class_that_a_value_names_is_not_looked_for_by_a_rule(scene: Scene) -> None:
    """The class is there in this process, and the value would be one of it: it is an object that equals nothing."""
    forged = {"$t": "dataclass", "c": "tests.packages.package_flows:Order", "v": {"id": 1, "day": None}}
    run = scene.run("rules", "a", values({"set": {"a": forged}, "del": []}))
    assert run.status == "Completed"
    ran = {task.task_name for task in run.task_results if task.status == "Completed"}
    assert ran == {"a", "after_big", "quiet", "skipped"}
    nonsense = {"$t": "date", "v": ["no date"]}
    assert scene.run("rules", "a", values({"set": {"a": nonsense}, "del": []})).status == "Completed"


def test_notes_of_observers_are_kept(scene: Scene) -> None:
    run = scene.run("linear", "t0", values(PATCH, notes=["it raised\0"]))
    assert run.status == "Completed"
    (event,) = [event for event in scene.events(run.run_id) if event[0] == "succeeded" and event[1] == 0]
    assert event[-1] == ["it raised\\x00"]


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_damage_to_an_answer_fails_the_attempt_or_is_another_answer(data: st.DataObject, scene: Scene) -> None:
    workflow, node = data.draw(
        st.sampled_from(
            [("linear", "t1"), ("jumps", "choose"), ("gates", "is_big"), ("nests", "mid"), ("dag", "split")]
        )
    )
    spot, new = data.draw(st.floats(0, 1)), data.draw(st.binary(min_size=1, max_size=3))
    cut = data.draw(st.booleans())

    def damage(answer: bytes) -> bytes:
        at = int(spot * (len(answer) - 1))
        return answer[:at] + new + (b"" if cut else answer[at + len(new) :])

    run = scene.run(workflow, node, damage, x=3)
    assert run.status in ("Completed", "Failed")
    assert {event[0] for event in scene.events(run.run_id)} <= EVENTS
