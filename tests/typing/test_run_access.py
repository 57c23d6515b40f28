"""Runs are read by `holdwater.runs`: no module above it sees the state machine of a run, or an active run."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import holdwater

ROOT = Path(holdwater.__file__).parent

MAY_USE_THE_KERNEL = (
    "kernel",
    "runtime",
    "runs",
    "events.stream",
    "events.journal_entry_events",
    "events.skip_reasons",
    "graphs.compile",
    "graphs.build.digraph",
    "tasks.run_data",
    "packages.descriptors.plan_checks",
    "runners.graphs.local",
)
"""packages and modules: the engine, the read side, what compiles plans, and graphs in memory"""
MAY_HOLD_ACTIVE_RUNS = ("runtime", "runs", "engine")
MAY_READ_THEIR_STATE = (
    "kernel",
    "runtime",
    "runs",
    "events",
    "engine.event_publisher",
    "graphs.compile",
    "runners.graphs.local",
)
ABOVE = ("engine", "operations", "runners", "compat", "demo")
STATE = frozenset({"machine", "compiled_plan", "entries", "run_data", "work_rows", "stored_outputs", "unsaved_entries"})
"""attributes of active runs"""
NOT_FOR_THE_COMMAND_LINE = (
    "runtime.driver",
    "runtime.active_run",
    "storage.sqlite",
    "storage.postgres",
    "storage.memory",
)
PRIVATE_TO_RUNNERS = frozenset({"_engine", "_runner", "store"})
"""what the command line leaves to operations"""


def _is_below(module: str, names: tuple[str, ...]) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in names)


def _modules() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(ROOT.rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        yield name, ast.parse(path.read_text(encoding="utf-8"))


def _imported(tree: ast.Module) -> Iterator[str]:
    """Modules, and the names that are taken from them, in packages of this project; at any place."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.removeprefix("holdwater.") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = (node.module or "").removeprefix("holdwater").removeprefix(".")
            yield module
            yield from (f"{module}.{alias.name}".removeprefix(".") for alias in node.names)


def _attributes(tree: ast.Module) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield node.attr, node.lineno


def violations(name: str, tree: ast.Module) -> list[str]:
    """What a module does that it must not do."""
    found = []
    for imported in _imported(tree):
        if _is_below(imported, ("kernel",)) and not _is_below(name, MAY_USE_THE_KERNEL):
            found.append(f"{name} imports {imported}")
        if imported == "runtime.active_run.ActiveRun" and not _is_below(name, MAY_HOLD_ACTIVE_RUNS):
            found.append(f"{name} imports {imported}")
        if name.startswith("cli.") and _is_below(imported, NOT_FOR_THE_COMMAND_LINE):
            found.append(f"{name} imports {imported}")
    for attribute, line in _attributes(tree):
        is_private = name.startswith("cli.") and attribute in PRIVATE_TO_RUNNERS
        is_state = attribute == "machine" or (attribute in STATE and _is_below(name, ABOVE))
        if is_private or (is_state and not _is_below(name, MAY_READ_THEIR_STATE)):
            found.append(f"{name}:{line} reads .{attribute}")
    return found


def test_only_the_engine_and_the_read_side_see_the_state_of_runs() -> None:
    modules = dict(_modules())
    assert _is_below("runs.view", MAY_USE_THE_KERNEL)
    assert "kernel.compiled_plan" in set(_imported(modules["runs.view"]))
    assert [text for name, tree in modules.items() for text in violations(name, tree)] == []


def test_every_kind_of_access_is_found() -> None:
    text = """
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    from holdwater.runtime.active_run import ActiveRun
def f(run):
    from holdwater.kernel import Machine
    import holdwater.kernel.states
    return run.machine.state, run.entries, run._engine.store
"""
    assert sorted(set(violations("cli.runs", ast.parse(text)))) == [
        "cli.runs imports kernel",
        "cli.runs imports kernel.Machine",
        "cli.runs imports kernel.states",
        "cli.runs imports runtime.active_run",
        "cli.runs imports runtime.active_run.ActiveRun",
        "cli.runs:8 reads ._engine",
        "cli.runs:8 reads .machine",
        "cli.runs:8 reads .store",
    ]
    for attribute in sorted(STATE):
        assert violations("runners.tasks.results", ast.parse(f"self._run.{attribute}")) != []
    assert violations("runtime.driver", ast.parse("self.machine\nfrom holdwater.kernel import Machine")) == []
