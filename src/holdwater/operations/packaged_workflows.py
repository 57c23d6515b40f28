"""Workflows together with the packages they are from: lists, and names that a workflow or a package may have."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from holdwater.errors import ReleaseNotFound, WorkflowNotFound
from holdwater.model import validation
from holdwater.model.catalog import WorkflowRow
from holdwater.model.paused_workflows import paused_names
from holdwater.model.releases import ReleaseRow, ReleaseState
from holdwater.operations.catalog import (
    MAX_LISTED_WORKFLOWS,
    WorkflowInfo,
    get_workflow,
    list_workflows,
    workflow_of_release,
)
from holdwater.operations.databases import Database

MAX_LISTED: Final = 10_000


@dataclass(frozen=True, slots=True)
class ListedWorkflow:
    """A workflow and the release it is from; None for code of a runner.

    `workflow`: None for a release that could not be registered yet, or not at all.  `tasks`: names in the order of the
    definition.
    """

    workflow: WorkflowInfo | None
    release: ReleaseRow | None
    tasks: tuple[str, ...]
    is_paused: bool

    @property
    def name(self) -> str:
        """The name of the workflow, or that of the package of a release without one."""
        if self.workflow is not None:
            return self.workflow.name
        assert self.release is not None
        return self.release.package


def list_packaged_workflows(
    database: Database, *, package: str | None = None, state: ReleaseState | None = None
) -> list[ListedWorkflow]:
    """List workflows by name.

    Without `state` those that can be started: announced ones, but for those of packages that are gone.  With `state`
    those of all releases in this state; a release that is registering, or broken, may have none that is known.
    `package`: those of one.  Raises StoreUnavailable.
    """
    releases = database.store.list_releases(package)
    paused = paused_names(database.store)
    if state is not None:
        found = [one for row in releases if row.state == state for one in _of_release(database, row, paused)]
        return sorted(found, key=lambda one: (one.name, one.release.version if one.release else ""))[:MAX_LISTED]
    by_release = {row.release: row for row in releases}
    return [
        ListedWorkflow(info, row, _task_names(database, info, row), info.name in paused)
        for info in _all_workflows(database)
        if (row := by_release.get(info.release or "")) is not None or (info.release is None and package is None)
        if row is None or row.state not in ("draining", "gone")
    ]


def _all_workflows(database: Database) -> list[WorkflowInfo]:
    found: list[WorkflowInfo] = []
    while len(found) < MAX_LISTED:
        page = list_workflows(database, after=found[-1].name if found else "")
        found += page
        if len(page) < MAX_LISTED_WORKFLOWS:
            break
    return found


def _of_release(database: Database, row: ReleaseRow, paused: Iterable[str]) -> list[ListedWorkflow]:
    if row.descriptor is None or not row.workflows:
        return [ListedWorkflow(None, row, (), False)]
    found = [workflow_of_release(database, row, name) for name in row.workflows if row.describe_workflow(name)]
    return [ListedWorkflow(info, row, _task_names(database, info, row), info.name in paused) for info in found]


def _task_names(database: Database, info: WorkflowInfo, release: ReleaseRow | None) -> tuple[str, ...]:
    if info.nodes:
        return tuple([node.name for node in info.nodes])
    said = None if release is None else release.describe_workflow(info.name)
    if said is None:
        row = database.store.get_workflow(info.name)
        said = {"nodes": [] if row is None else row.nodes}
    return tuple([node["name"] for node in said["nodes"]])


@dataclass(frozen=True, slots=True)
class FoundWorkflow:
    """A workflow that a path names.  `release`: the row of its release, None for code of a runner.

    `versions`: all releases of its package, the newest first, without those that are gone.
    """

    info: WorkflowInfo
    release: ReleaseRow | None
    versions: tuple[ReleaseRow, ...]


def find_packaged_workflow(database: Database, name: str, version: str | None = None) -> FoundWorkflow:
    """Find a workflow by its name, or by that of a package that has one.  `version`: of its package.

    Raises WorkflowNotFound, ReleaseNotFound for a version that the package does not have, InvalidArgument,
    StoreUnavailable.
    """
    rows = [row for row in database.store.list_releases() if row.state != "gone"]
    wanted = validation.check_search_text("the name of a workflow", name)
    announced = database.store.get_workflow(wanted)
    package = _package_of(announced, rows, wanted)
    versions = sorted([row for row in rows if row.package == package], key=lambda row: row.registered_at, reverse=True)
    if announced is not None and (announced.release is None or package is not None):
        workflow = wanted
    else:
        workflow = _only_workflow(wanted, versions)
    if version is not None:
        release = _find_version(versions, wanted, version)
        return FoundWorkflow(workflow_of_release(database, release, workflow), release, tuple(versions))
    info = get_workflow(database, workflow)
    used = next((row for row in versions if row.release == info.release), None)
    return FoundWorkflow(info, used, tuple(versions))


def _package_of(announced: WorkflowRow | None, rows: Sequence[ReleaseRow], name: str) -> str | None:
    """Return the package that a name leads to; None if it is that of code, or of nothing that is there."""
    if announced is not None and announced.release is None:
        return None
    for row in rows:
        if announced is not None and (row.release == announced.release or name in row.workflows):
            return row.package
    return next((row.package for row in rows if row.package == name), None)


def _only_workflow(name: str, versions: Sequence[ReleaseRow]) -> str:
    """Return the workflow of a package that has one.  Raises WorkflowNotFound."""
    active = [row for row in versions if row.state == "active"] or [row for row in versions if row.workflows]
    workflows = active[0].workflows if active else []
    if len(workflows) == 1:
        return workflows[0]
    if not versions:
        raise WorkflowNotFound(
            f"no runner of this database has announced a workflow named {validation.shorten_repr(name)}",
            hint="`holdwater workflows` lists those that are",
        )
    if workflows:
        raise WorkflowNotFound(
            f"package {name!r} has {len(workflows)} workflows", hint=f"name one of them: {', '.join(workflows[:20])}"
        )
    newest = versions[0]
    raise WorkflowNotFound(
        f"package {newest.package} {newest.version} is {newest.state}, and has no workflow yet",
        hint=(newest.error or "").strip().rpartition("\n")[2][:500],
    )


def _find_version(versions: Sequence[ReleaseRow], name: str, version: str) -> ReleaseRow:
    for row in versions:
        if row.version == version:
            return row
    raise ReleaseNotFound(
        f"there is no version {version!r:.80} of {name!r:.200}",
        hint=f"its versions: {', '.join([row.version for row in versions][:20])}"
        if versions
        else "it is of no package",
    )


def resolve_workflow(database: Database, name: str, version: str | None = None) -> tuple[str, str | None]:
    """Resolve a name as `find_packaged_workflow` does, to that of a workflow and, with `version`, to its release.

    A workflow that is announced costs one query.  Raises the same errors.
    """
    if version is None:
        announced = database.store.get_workflow(validation.check_search_text("the name of a workflow", name))
        if announced is not None or not any([row.package == name for row in database.store.list_releases(name)]):
            return name, None
    found = find_packaged_workflow(database, name, version)
    return found.info.name, None if version is None or found.release is None else found.release.release
