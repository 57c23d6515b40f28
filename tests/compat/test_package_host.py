"""Packages of Cloacina in hosts: module-level tasks, builders, triggers, cron expressions and parameters."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from holdwater import DefaultRunner, DefaultRunnerConfig, TriggerResult
from holdwater.errors import InputError, MissingInputError, PackageBuildError, ReleaseBroken
from holdwater.model.registry import registry
from holdwater.packages.hosts.host_executor import HostExecutor
from holdwater.packages.hosts.host_pool import HostPool
from holdwater.packages.manifests.manifest import PackageManifest
from holdwater.packages.programs.loading import LoadedRelease, load_release
from holdwater.packages.settings import PackageSettings
from tests.packages.host_packages import install_files
from tests.suite.runners import SIGNAL_TIMEOUT_SECONDS

TASKS = '''
"""A package of Cloacina 0.5: tasks at module level."""

import cloaca
from helpers.numbers import double

cloaca.workflow_params(n=int, step=(int, 2))


@cloaca.task(id="extract")
def extract(context):
    context.set("rows", [context.get("n"), context.get("step")])
    return context


@cloaca.task(id="load", dependencies=["extract"])
def load(context):
    context.set("sum", double(sum(context.get("rows"))))
    return context


@cloaca.trigger(name="new_files", poll_interval="10s")
def new_files():
    return cloaca.TriggerResult.fire({"n": 1})


@cloaca.trigger(on="etl", name="nightly", cron="0 2 * * *", timezone="Europe/Berlin")
def nightly():
    raise AssertionError("never called")


with cloaca.WorkflowBuilder("beside") as builder:
    builder.description("Another workflow.")

    @cloaca.task(id="only")
    def only(context):
        context.set("module", __name__)
        return context
'''


def files(tasks: str) -> dict[str, str]:
    return {
        "workflow/etl/__init__.py": "",
        "workflow/etl/tasks.py": tasks,
        "vendor/helpers/__init__.py": "",
        "vendor/helpers/numbers.py": "def double(n):\n    return 2 * n\n",
    }


MANIFEST = PackageManifest(
    name="etl-package", version="0.1.0", modules=("etl.tasks",), format="cloacina", workflow_name="etl"
)


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostPool]:
    made = HostPool(PackageSettings(), tmp_path_factory.mktemp("home"))
    yield made
    made.close()


@pytest.fixture
def loaded(pool: HostPool, tmp_path: Path) -> Iterator[LoadedRelease]:
    installed = install_files(tmp_path / "release", files(TASKS), MANIFEST)
    release = load_release(pool.describe(installed), installed, pool)
    pool.add(installed)
    registry.register_release(installed.release, release.definitions)
    registry.activate(installed.release)
    yield release
    registry.remove_release(installed.release)
    pool.retire(installed.release)


def test_a_package_of_cloacina_runs(loaded: LoadedRelease, pool: HostPool, tmp_path: Path) -> None:
    assert [one.plan.name for one in loaded.definitions] == ["beside", "etl"]
    config = DefaultRunnerConfig(executors={"packages": HostExecutor(pool)})
    with DefaultRunner(f"sqlite:///{tmp_path}/runs.db", config=config) as runner:
        result = runner.submit("etl", {"n": 3}).result(SIGNAL_TIMEOUT_SECONDS)
        assert (result.status, result.final_context.to_dict()) == (
            "Completed",
            {"step": 2, "n": 3, "rows": [3, 2], "sum": 10},
        )
        beside = runner.submit("beside", {}).result(SIGNAL_TIMEOUT_SECONDS)
        assert beside.final_context["module"] == "etl.tasks"
        with pytest.raises(MissingInputError, match="'n'"):
            runner.submit("etl", {})
        with pytest.raises(InputError, match="n must be an integer"):
            runner.submit("etl", {"n": "three"})


def test_its_retries_are_those_of_cloacina_and_its_names_those_of_the_package(loaded: LoadedRelease) -> None:
    etl = loaded.definitions[1]
    policy = etl.policy(0).retry
    assert (policy.max_attempts, policy.jitter) == (3, True)
    assert etl.routing_key(0) == "public::etl-package::etl::extract"


def test_its_triggers_are_polled_and_its_cron_expressions_are_schedules(loaded: LoadedRelease) -> None:
    (polled,) = loaded.triggers
    assert (polled.name, polled.workflow, polled.poll_interval_us) == ("etl-package/new_files", "etl", 10_000_000)
    answer = polled.function()
    assert isinstance(answer, TriggerResult)
    assert answer.fires
    assert (answer.context or {})["n"].copy() == 1
    (schedule,) = loaded.schedules
    assert (schedule.name, schedule.workflow, schedule.cron, schedule.timezone) == (
        "nightly",
        "etl",
        "0 2 * * *",
        "Europe/Berlin",
    )


BROKEN: dict[str, tuple[str, str]] = {
    "no tasks": ("import cloaca", "registered no tasks"),
    "a computation graph": ("import cloaca\ncloaca.ComputationGraphBuilder('g', graph={})", "NotInThisVersion"),
    "a circle": (
        "import cloaca\n@cloaca.task(id='a', dependencies=['b'])\ndef a(context): ...\n"
        "@cloaca.task(id='b', dependencies=['a'])\ndef b(context): ...",
        "circular dependency",
    ),
    "two workflows of a name": (
        "import cloaca\n@cloaca.task(id='a')\ndef a(context): ...\n"
        "with cloaca.WorkflowBuilder('etl'):\n    @cloaca.task(id='b')\n    def b(context): ...",
        "WorkflowBuilder of the same name",
    ),
    "a trigger of nothing": (
        "import cloaca\nwith cloaca.WorkflowBuilder('x'):\n    @cloaca.task(id='b')\n    def b(context): ...\n"
        "@cloaca.trigger(name='t')\ndef t(): ...",
        "starts 'etl', which the package does not have",
    ),
    "an exception": ("import cloaca\n@cloaca.task(id='a')\ndef a(context): ...\n1 / 0", "ZeroDivisionError"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_package_that_cannot_be_used_says_why(case: str, pool: HostPool, tmp_path: Path) -> None:
    text, reason = BROKEN[case]
    installed = install_files(tmp_path / "release", files(text), MANIFEST)
    with pytest.raises((ReleaseBroken, PackageBuildError), match=reason):
        load_release(pool.describe(installed), installed, pool)


def test_tasks_of_a_builder_of_the_same_name_are_the_workflow(pool: HostPool, tmp_path: Path) -> None:
    text = "import cloaca\nwith cloaca.WorkflowBuilder('etl'):\n    @cloaca.task(id='a')\n    def a(context): ..."
    installed = install_files(tmp_path / "release", files(text), MANIFEST)
    described: dict[str, Any] = pool.describe(installed)
    assert [one["name"] for one in described["workflows"]] == ["etl"]
