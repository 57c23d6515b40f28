"""Public names of the package: those most programs need in the root, the others by subject."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from importlib import import_module
from importlib.util import resolve_name
from pathlib import Path
from typing import Final

import pytest

import holdwater

ROOT: Final = Path(holdwater.__file__).parent
ROOT_NAMES: Final = """
    Client Context DefaultRunner DefaultRunnerConfig Pause PipelineResult RetryPolicy RunStatus RunSummary TaskHandle
    TaskResult TriggerResult WorkflowBuilder WorkflowHandle all_of always any_of context_value none_of register_type
    register_workflow_constructor task task_failed task_skipped task_success trigger

    ErrorCategory ErrorPolicy QualityMetrics Step StepResult Workflow WorkflowContext WorkflowResult WorkflowRunner
    WorkflowRunnerConfig register_workflow

    AsyncRunner DaftRunner END Graph MapResult PauseInfo RunResult SyncRunner ifelse interrupt node register_graph route

    __version__
"""
"""of tasks and of all styles; of steps; of graphs"""

LAZY_PACKAGES: Final = ("", "events", "graphs", "operations", "runners.graphs", "runs", "steps")
"""packages whose names are imported when they are first used"""

PACKAGES: Final = (
    *LAZY_PACKAGES, "caching", "checkpointers", "executors", "runners.steps", "schedules", "storage", "tasks",
    "tenants",
)  # fmt: skip
"""packages with an `__all__`"""


def test_names_of_the_root() -> None:
    assert sorted(holdwater.__all__) == sorted(ROOT_NAMES.split())
    assert len(holdwater.__all__) <= 65


@pytest.mark.parametrize("package", PACKAGES)
def test_every_name_can_be_imported_and_errors_are_in_a_module_of_their_own(package: str) -> None:
    module = import_module(f"holdwater.{package}".rstrip("."))
    things = [getattr(module, name) for name in module.__all__]
    errors = [one.__name__ for one in things if isinstance(one, type) and issubclass(one, BaseException)]
    assert errors == (["RecordedError"] if package == "events" else [])  # shown to listeners, never raised


@pytest.mark.parametrize("package", LAZY_PACKAGES)
def test_type_checkers_the_table_and_the_list_have_the_same_names(package: str) -> None:
    module = import_module(f"holdwater.{package}".rstrip("."))
    tree = ast.parse((ROOT / package.replace(".", "/") / "__init__.py").read_text(encoding="utf-8"))
    guard = next(one for one in tree.body if isinstance(one, ast.If))
    seen = {(one.module, name.name) for one in guard.body if isinstance(one, ast.ImportFrom) for name in one.names}
    table = {(resolve_name(home, module.__name__), name) for home, names in module._EXPORTS.items() for name in names}
    assert seen == table
    assert sorted({name for _, name in table} | {"__version__"} & {*module.__all__}) == sorted(module.__all__)


def _iter_modules() -> Iterator[tuple[str, ast.Module]]:
    """Every module of the package but those of `compat`, whose names are the originals'."""
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if parts[0] != "compat":
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            yield name, ast.parse(path.read_text(encoding="utf-8"))


def test_no_two_classes_have_one_name() -> None:
    modules = defaultdict[str, list[str]](list)
    for module, tree in _iter_modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                modules[node.name].append(module)
    assert {"Graph", "Step", "TaskWorkflow"} <= modules.keys()
    assert {name: found for name, found in modules.items() if len(found) > 1} == {}


def test_a_public_name_means_one_thing_wherever_it_can_be_imported() -> None:
    meanings = defaultdict[str, dict[int, str]](dict)
    for package in PACKAGES:
        module = import_module(f"holdwater.{package}".rstrip("."))
        for name in module.__all__:
            meanings[name].setdefault(id(getattr(module, name)), package)
    assert {name: found for name, found in meanings.items() if len(found) > 1} == {}
