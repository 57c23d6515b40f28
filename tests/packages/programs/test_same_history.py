"""I12: a reference workflow has the same history in a process of its own and by the name of its code."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from holdwater import DefaultRunner, DefaultRunnerConfig
from holdwater.executors import Router, ThreadExecutor
from holdwater.model.registry import registry
from tests.crash import shapes
from tests.packages.named_backend import RELEASE, NamedExecutor, load_registered
from tests.packages.reference_shapes import MANIFEST, SHAPES, registered_shapes
from tests.runtime.executors.test_same_history_in_processes import TIMED, read_history, run_to_its_end


@pytest.fixture(scope="module")
def effects(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    log = tmp_path_factory.mktemp("effects") / "log"
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv(shapes.LOG_VARIABLE, str(log))
        patched.setattr(shapes, "LOG", log)
        yield log


@pytest.fixture(scope="module")
def own_runner(effects: Path) -> Iterator[DefaultRunner]:
    config = DefaultRunnerConfig(executors={"one": ThreadExecutor(1)}, routing=Router([("**", "one")]))
    with DefaultRunner("memory://", config=config) as runner:
        yield runner


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape not in TIMED])
def test_a_reference_workflow_by_the_name_of_its_code(
    shape: str, own_runner: DefaultRunner, effects: Path, tmp_path: Path
) -> None:
    with registered_shapes(shape) as (of_package, inputs):
        programs = load_registered(of_package, MANIFEST).definitions
        histories: list[tuple[Any, list[str]]] = []
        config = DefaultRunnerConfig(executors={"packages": NamedExecutor(of_package)})
        with DefaultRunner(f"sqlite:///{tmp_path}/runs.db", config=config) as hosted_runner:
            for runner in (own_runner, hosted_runner):
                if runner is own_runner:
                    registry.register(of_package.get(shape))
                else:
                    registry.register_release(RELEASE, programs)
                    registry.activate(RELEASE)
                effects.write_text("")
                history = without_marks(read_history(runner, run_to_its_end(runner, shape, inputs[shape])))
                histories.append((history, sorted(effects.read_text().split())))
                registry.unregister(shape)
                registry.remove_release(RELEASE)
    (runs, done), others = histories
    assert "" in runs
    assert len(done) > 1
    assert others == (runs, done)


def without_marks(history: dict[str, Any]) -> dict[str, Any]:
    """The history without the mark of an answer that was given where its code is not: it is converted there."""
    for _, _, events, _ in history.values():
        for event in events:
            if event[0] == "input_provided" and event[-1] is True:
                event.pop()
    return history
