"""I12: a reference workflow has the same history in a process of its own and in a host of its package, on SQLite."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from holdwater import DefaultRunner, DefaultRunnerConfig
from holdwater.executors import Router, ThreadExecutor
from holdwater.model.registry import registry
from holdwater.packages.hosts.host_pool import HostPool
from holdwater.packages.manifests.manifest import ExecutionLimits, PackageManifest
from holdwater.packages.programs.loading import LoadedRelease, load_release
from holdwater.packages.settings import PackageSettings
from tests.crash import shapes
from tests.packages.host_packages import REFERENCE_ENTRY, REFERENCE_MODULES, TESTS, OneSlot, install_modules
from tests.packages.programs.test_same_history import without_marks
from tests.packages.reference_shapes import SHAPES, registered_shapes
from tests.runtime.executors.test_same_history_in_processes import TIMED, read_history, run_to_its_end

MANIFEST = PackageManifest(
    name="reference",
    version="1.0",
    modules=("package_entry",),
    execution=ExecutionLimits(env=(shapes.LOG_VARIABLE,)),
)


@dataclass
class Scene:
    own_runner: DefaultRunner
    hosted_runner: DefaultRunner
    release: LoadedRelease
    folder: Path

    @property
    def effects(self) -> Path:
        return self.folder / "log"


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("reference")
    effects = folder / "log"
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv(shapes.LOG_VARIABLE, str(effects))
        patched.setattr(shapes, "LOG", effects)
        pool = HostPool(PackageSettings(), folder / "home")
        installed = install_modules(folder / "release", REFERENCE_MODULES, REFERENCE_ENTRY, MANIFEST)
        release = load_release(pool.describe(installed), installed, pool)
        pool.add(installed)
        own = DefaultRunnerConfig(executors={"one": ThreadExecutor(1)}, routing=Router([("**", "one")]))
        hosted = DefaultRunnerConfig(executors={"packages": OneSlot(pool)})
        with (
            DefaultRunner("memory://", config=own) as own_runner,
            DefaultRunner(f"sqlite:///{folder}/runs.db", config=hosted) as hosted_runner,
        ):
            registry.register_release(installed.release, release.definitions)
            registry.activate(installed.release)
            yield Scene(own_runner, hosted_runner, release, folder)
            registry.remove_release(installed.release)
        pool.close()


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape not in TIMED])
def test_a_reference_workflow_in_a_host(shape: str, scene: Scene) -> None:
    before = set(sys.modules)
    scene.effects.write_text("")
    with registered_shapes(shape) as (_, inputs):
        pass
    hosted = read_history(scene.hosted_runner, run_to_its_end(scene.hosted_runner, shape, inputs[shape]))
    hosted = with_folder(hosted, scene.folder / "release" / "workflow", "ROOT")
    done = sorted(scene.effects.read_text().split())
    scene.effects.write_text("")
    with registered_shapes(shape) as (of_tests, inputs):
        registry.register(of_tests.get(shape))
        own = read_history(scene.own_runner, run_to_its_end(scene.own_runner, shape, inputs[shape]))
        own = with_folder(own, TESTS.parent, "ROOT")
        registry.unregister(shape)
    assert "" in own
    assert len(done) > 1
    assert (without_marks(hosted), done) == (without_marks(own), sorted(scene.effects.read_text().split()))
    assert "package_entry" not in {*sys.modules} - before


def with_folder(history: dict[str, Any], folder: Path, name: str) -> dict[str, Any]:
    """The history with a name in the place of a folder: tracebacks name files."""
    replaced: dict[str, Any] = json.loads(json.dumps(history).replace(str(folder), name))
    return replaced
