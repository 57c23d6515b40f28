"""Pausing workflows: new runs of them are not started until they are resumed; runs that are open go on."""

from __future__ import annotations

from dataclasses import dataclass

from holdwater.errors import WorkflowPaused
from holdwater.model.paused_workflows import PREFIX, paused_names, setting_name
from holdwater.model.ports.settings import SettingStore
from holdwater.model.provenance import check_author
from holdwater.model.settings import Setting
from holdwater.model.time import Micros
from holdwater.operations.catalog import get_workflow
from holdwater.operations.databases import Database

__all__ = ["PausedWorkflow", "check_not_paused", "list_paused", "pause_workflow", "paused_names", "resume_workflow"]


@dataclass(frozen=True, slots=True)
class PausedWorkflow:
    """A workflow that is paused.  `at`: since when; `by`: the author of the request."""

    name: str
    at: Micros
    by: str


def pause_workflow(database: Database, name: str, *, by: str = "") -> None:
    """Start no runs of a workflow until it is resumed; its schedules do not fire, its triggers are not called.

    What a schedule misses meanwhile is made up for as its catch-up policy says.  Idempotent.
    Raises WorkflowNotFound, InvalidArgument, StoreUnavailable.
    """
    workflow = get_workflow(database, name)
    if workflow.name not in paused_names(database.store):
        _put(database, workflow.name, {}, by)


def resume_workflow(database: Database, name: str, *, by: str = "") -> None:
    """Start runs of a workflow again.  Idempotent.  Raises WorkflowNotFound, InvalidArgument, StoreUnavailable."""
    workflow = get_workflow(database, name)
    if workflow.name in paused_names(database.store):
        _put(database, workflow.name, None, by)


def list_paused(database: Database) -> tuple[PausedWorkflow, ...]:
    """List the workflows that are paused, by name.  Raises StoreUnavailable."""
    found = database.store.list_settings(PREFIX)
    return tuple([
        PausedWorkflow(one.name.removeprefix(PREFIX), one.changed_at, one.changed_by)
        for one in found
        if one.value is not None
    ])  # fmt: skip


def check_not_paused(store: SettingStore, name: str) -> None:
    """Raise WorkflowPaused if new runs of a workflow are not started for now.  Raises StoreUnavailable."""
    found = store.get_setting(setting_name(name))
    if found is not None and found.value is not None:
        raise WorkflowPaused(
            f"workflow {name!r} is paused: no run of it is started", hint="resume the workflow, and start it then"
        )


def _put(database: Database, name: str, value: dict[str, str] | None, by: str) -> None:
    database.store.put_setting(Setting(setting_name(name), value, database.clock.now(), check_author(by)))
    database.on_schedules_changed()
