"""The command that has a run go on: that which started it, or a worker of the file that its workflow is in."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from holdwater.operations.doctor.state import DatabaseState
from holdwater.runs.view import RunView
from holdwater.storage.urls import parse_url

MODULE: Final = "MODULE"
"""stands for a module of the user's where it is not known"""
_PACKAGE: Final = Path(__file__).parents[2]
"""functions of questions and the like are in it"""
_DEMO_PARTS: Final = ("holdwater", "demo")
"""end of the directory that the workflows of `holdwater demo` are in"""


def continue_command(state: DatabaseState, view: RunView) -> tuple[str, ...]:
    """Return the words after `holdwater` of the command that executes a run on."""
    workflow = view.info.workflow
    if view.info.release is not None:
        return ("package", "list")
    files = _source_files(state, workflow)
    if files and all(_is_of_demo(file) for file in files):
        return _demo_command(state, workflow)
    place = _place(files)
    if place != MODULE and view.info.parent_id is None and _is_on_its_own(state, view):
        return ("run", place, "--resume", view.id)
    return ("worker", place)


def worker_command(source_files: Iterable[str | None]) -> tuple[str, ...]:
    """Return the words after `holdwater` of the command that executes the runs of a workflow.

    `source_files`: of its functions, as they were announced.
    """
    return ("worker", _place(_files_of(source_files)))


def _source_files(state: DatabaseState, workflow: str) -> list[Path]:
    """List the files of the functions of a workflow, as they were announced."""
    row = state.workflow(workflow)
    return _files_of([node.get("source_file") for node in (() if row is None else row.nodes)])


def _files_of(names: Iterable[str | None]) -> list[Path]:
    files = [Path(name) for name in sorted({name for name in names if name})]
    return [file for file in files if not file.is_relative_to(_PACKAGE) or _is_of_demo(file)]


def _is_of_demo(file: Path) -> bool:
    return file.parent.parts[-2:] == _DEMO_PARTS


def _place(files: list[Path]) -> str:
    """Return the file of a workflow as the command line takes it; `MODULE` if there are several, or it is not here."""
    if len(files) != 1 or files[0].suffix != ".py" or not files[0].is_absolute() or not files[0].is_file():
        return MODULE
    parts, directory = [files[0].stem], files[0].parent
    while (directory / "__init__.py").is_file():
        parts.insert(0, directory.name)
        directory = directory.parent
    return ".".join(parts) if len(parts) > 1 else str(files[0])


def _is_on_its_own(state: DatabaseState, view: RunView) -> bool:
    """Return True if `holdwater run` had the run: all that has had its workflow lately takes no runs but its own.

    A process that died in its first second is not listed: then a run that a command has started, and that was executed.
    """
    having = [runner for runner in state.runners if view.info.claim_key in runner.workflows]
    if having:
        return all(runner.own_runs_only for runner in having)
    return view.info.origin == "cli" and len(view.journal) > 1


def _demo_command(state: DatabaseState, workflow: str) -> tuple[str, ...]:
    path = parse_url(state.database.store.url).path
    if path is None:
        return ("worker", MODULE)
    review = ("--review",) if workflow.endswith("_review") else ()
    return ("demo", "--dir", str(path.parent), *review)
