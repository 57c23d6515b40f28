"""Typed inputs and answers, observers, retries, time-outs, maps, child runs of other styles, and triggers, in hosts."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from holdwater import DefaultRunner, DefaultRunnerConfig, TriggerResult
from holdwater.errors import AnswerError, InputError, MissingInputError
from holdwater.executors import Router, ThreadExecutor
from holdwater.model.records import RunFilter
from holdwater.model.registry import registry
from holdwater.operations import start_by_name
from holdwater.packages.hosts.host_pool import HostPool
from holdwater.packages.manifests.manifest import ExecutionLimits, PackageManifest
from holdwater.packages.programs.loading import LoadedRelease, load_release
from holdwater.packages.settings import PackageSettings
from tests.crash import shapes
from tests.packages import package_flows
from tests.packages.host_packages import TESTS, OneSlot, install_modules
from tests.packages.programs.test_same_history import without_marks
from tests.packages.programs.test_same_history_in_hosts import with_folder
from tests.runtime.executors.test_same_history_in_processes import read_history
from tests.suite.runners import SIGNAL_TIMEOUT_SECONDS
from tests.suite.waiting import poll_pause

MANIFEST = PackageManifest(
    name="flows",
    version="1.0",
    modules=("package_entry",),
    execution=ExecutionLimits(env=(shapes.LOG_VARIABLE,)),
)
ENTRY = "from tests.packages.package_flows import *\ndefine_all()\ndefine_trigger()\n"
COMPARED = ("mapped_tasks", "calls", "observed", "leaf", "selfish")
ORDER = {"id": 7, "day": "2026-02-03"}


@dataclass
class Scene:
    own: dict[str, tuple[dict[str, Any], list[str]]]
    hosted: DefaultRunner
    release: LoadedRelease
    folder: Path

    def effects(self) -> list[str]:
        return read_effects(self.folder)

    def run(self, workflow: str, **inputs: Any) -> Any:
        return self.hosted.submit(workflow, inputs).result(SIGNAL_TIMEOUT_SECONDS)


def read_effects(folder: Path) -> list[str]:
    """What has left a line since the last call."""
    lines = (folder / "log").read_text().split()
    (folder / "log").write_text("")
    return lines


def run_in_this_process(folder: Path) -> dict[str, tuple[dict[str, Any], list[str]]]:
    """The histories and effects of workflows in threads of this process, where they are known for that time only."""
    found = {}
    config = DefaultRunnerConfig(executors={"one": ThreadExecutor(1)}, routing=Router([("**", "one")]))
    before = registry.names()
    package_flows.define_all()
    with DefaultRunner("memory://", config=config) as runner:
        for name in COMPARED:
            run_id = runner.submit(name, {}).result(SIGNAL_TIMEOUT_SECONDS).run_id
            history = with_folder(read_history(runner, run_id), TESTS.parent, "ROOT")
            found[name] = without_marks(history), sorted(read_effects(folder))
    for name in set(registry.names()).difference(before):
        registry.unregister(name)
    return found


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("flows")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv(shapes.LOG_VARIABLE, str(folder / "log"))
        patched.setattr(shapes, "LOG", folder / "log")
        (folder / "log").touch()
        own = run_in_this_process(folder)
        pool = HostPool(PackageSettings(), folder / "home")
        modules = ["tests.crash.shapes", "tests.packages.package_flows"]
        installed = install_modules(folder / "release", modules, ENTRY, MANIFEST)
        release = load_release(pool.describe(installed), installed, pool)
        pool.add(installed)
        hosted = DefaultRunnerConfig(executors={"packages": OneSlot(pool)})
        with DefaultRunner(f"sqlite:///{folder}/runs.db", config=hosted) as hosted_runner:
            registry.register_release(installed.release, release.definitions)
            registry.activate(installed.release)
            hosted_runner.announce()
            yield Scene(own, hosted_runner, release, folder)
            registry.remove_release(installed.release)
        pool.close()


@pytest.mark.parametrize("workflow", COMPARED)
def test_a_workflow_has_the_same_history_in_a_host(workflow: str, scene: Scene) -> None:
    scene.effects()
    history = read_history(scene.hosted, scene.run(workflow).run_id)
    found = without_marks(with_folder(history, scene.folder / "release" / "workflow", "ROOT"))
    assert (found, sorted(scene.effects())) == scene.own[workflow]


def test_inputs_given_as_json_are_converted_where_the_code_is(scene: Scene) -> None:
    started = start_by_name(scene.hosted._engine, "typed", {"order": ORDER, "day": "2026-05-06"})
    run = started.future.result(SIGNAL_TIMEOUT_SECONDS)
    assert run.status == "completed"
    assert scene.hosted.handle(run.info.id).result().final_context["seen"] == "Order 7 2026 date"


def test_inputs_that_do_not_fit_are_refused_before_there_is_a_run(scene: Scene) -> None:
    with pytest.raises(MissingInputError, match="'day'"):
        start_by_name(scene.hosted._engine, "typed", {"order": ORDER})
    with pytest.raises(InputError, match="day must be a date"):
        start_by_name(scene.hosted._engine, "typed", {"order": ORDER, "day": "yesterday"})
    with pytest.raises(InputError, match="day must be a date"):
        scene.hosted.submit("typed", {"order": ORDER, "day": "yesterday"})


def test_answers_are_checked_by_schema_and_converted_where_the_code_is(scene: Scene) -> None:
    scene.effects()
    started = start_by_name(scene.hosted._engine, "asked", {"order": ORDER})
    assert started.future.result(SIGNAL_TIMEOUT_SECONDS).status == "paused"
    run_id = started.info.id
    (pause,) = scene.hosted.pauses(run_id)
    assert pause.value == "order 7?"
    with pytest.raises(AnswerError, match="ok must be true or false"):
        scene.hosted.answer(run_id, pause.pause_id, {"ok": "perhaps", "by": "me"})
    scene.hosted.answer(run_id, pause.pause_id, {"ok": True, "by": "me"})
    result = scene.hosted.handle(run_id).result(SIGNAL_TIMEOUT_SECONDS)
    assert (result.status, result.final_context["text"]) == ("Completed", "True by me on 03")
    assert scene.effects() == ["ask", "use"]


def test_a_host_that_dies_costs_an_attempt_and_the_policy_of_the_descriptor_decides(scene: Scene) -> None:
    scene.effects()
    result = scene.run("crashing")
    assert result.status == "Failed"
    assert scene.effects() == ["dies", "dies", "dies", "dies_once", "failure:dies_once:WorkerCrashed"]
    failed = [event for event in read_history(scene.hosted, result.run_id)[""][2] if event[0] == "failed"]
    assert [event[5] for event in failed] == ["CRASHED", "CRASHED", "CRASHED"]
    assert failed[2][-1] == ["on_failure of 'dies_once' raised LookupError: the observer fails, too"]


def test_a_function_that_takes_too_long_is_killed_and_tried_again(scene: Scene) -> None:
    scene.effects()
    result = scene.run("slow")
    assert (result.status, scene.effects()) == ("Completed", ["sleeps", "sleeps"])


def test_a_trigger_is_polled_in_a_host_and_starts_a_run(scene: Scene) -> None:
    (polled,) = scene.release.triggers
    assert (polled.name, polled.workflow) == ("flows/poll", "triggered")
    scene.effects()
    answers = [polled.function(), polled.function()]
    assert [answer.fires for answer in answers if isinstance(answer, TriggerResult)] == [False, True]
    assert isinstance(answers[1], TriggerResult)
    given = answers[1].context or {}
    assert given["day"].text == '{"$t":"date","v":"2026-01-01"}'
    result = scene.run("triggered", **given)
    assert (result.status, str(result.final_context["day_after"])) == ("Completed", "2026-01-02")
    assert scene.effects() == ["poll", "poll", "fired"]


def test_source_files_are_named_from_the_folder_of_the_package_on(scene: Scene) -> None:
    (typed,) = [one for one in scene.release.definitions if one.plan.name == "typed"]
    (facts,) = typed.describe().node_facts.values()
    assert facts["source_file"] == "workflow/tests/packages/package_flows.py"


def test_nothing_of_a_package_is_imported(scene: Scene) -> None:
    assert "package_entry" not in sys.modules


def test_a_runner_polls_a_trigger_of_a_package_and_starts_its_runs(scene: Scene) -> None:
    (polled,) = scene.release.triggers
    scene.effects()
    registry.triggers.register(polled)
    try:
        while "fired" not in (scene.folder / "log").read_text().split():  # bounded by the test's time-out
            poll_pause()
    finally:
        registry.triggers.unregister(polled.name)
    (run,) = scene.hosted._engine.store.list_runs(RunFilter(workflow="triggered", origins=("trigger",), limit=10))
    result = scene.hosted.handle(run.id).result(SIGNAL_TIMEOUT_SECONDS)
    assert (result.status, result.final_context["trigger_name"]) == ("Completed", "flows/poll")
    assert str(result.final_context["day_after"]) == "2026-01-02"
    assert run.release == scene.release.definitions[0].release


def test_a_schedule_starts_runs_of_a_package_with_what_a_manifest_says(scene: Scene) -> None:
    """A manifest is data: what it gives is converted to the declared types where the code is."""
    context = {"order": ORDER, "day": "2026-05-06"}
    schedule = scene.hosted.register_cron_workflow("typed", "0 0 1 1 *", context=context)
    scene.hosted.run_schedule_now(schedule)
    while not (found := scene.hosted._engine.store.list_runs(RunFilter(workflow="typed", origins=("cron",)))):
        poll_pause()  # bounded by the test's time-out
    scene.hosted.delete_cron_schedule(schedule)
    result = scene.hosted.handle(found[0].id).result(SIGNAL_TIMEOUT_SECONDS)
    assert (result.status, result.final_context["seen"]) == ("Completed", "Order 7 2026 date")
