"""Modules of Cloacina's packages: tasks at module level belong to the workflow that the manifest names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from holdwater.compat.cloaca.triggers import cron_triggers, unbound_triggers
from holdwater.errors import PackageBuildError
from holdwater.model.registry import registry
from holdwater.packages.manifests.manifest import PackageManifest, PackageSchedule
from holdwater.tasks import WorkflowBuilder


class ModuleWorkflow(WorkflowBuilder):
    """The builder that modules are inside of; without tasks of its own it registers nothing."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and not self.is_empty and registry.find(self.name) is not None:
            kind, error = (
                PackageBuildError,
                PackageBuildError(
                    f"workflow {self.name!r} has tasks at module level, and a WorkflowBuilder of the same name",
                    hint="define all of them in one of the two places",
                ),
            )
            super().__exit__(kind, error, trace)
            raise error
        super().__exit__(PackageBuildError if self.is_empty else kind, error, trace)


@contextmanager
def module_workflow(manifest: PackageManifest) -> Iterator[None]:
    """Collect the tasks that modules define outside of any WorkflowBuilder, while they are imported in the block.

    Builders inside register workflows of their own.  Raises PackageBuildError for a package without tasks, for one with
    two workflows of a name, and for triggers that start nothing; WorkflowError for tasks that make no workflow.
    """
    with ModuleWorkflow(manifest.workflow_name or manifest.name, package=manifest.name) as builder:
        builder.description(manifest.description)
        yield
    if not registry.names():
        raise PackageBuildError(
            f"package {manifest.name!r} registered no tasks",
            hint="decorate functions of its entry module with @cloaca.task",
        )
    waiting = unbound_triggers()
    if waiting:
        raise PackageBuildError(
            f"trigger {waiting[0]!r} names no workflow, and its module defines none", hint="@trigger(on='name')"
        )


def package_schedules() -> list[PackageSchedule]:
    """List the schedules of triggers with a cron expression."""
    return [
        PackageSchedule(name=one.name, workflow=one.workflow, cron=one.cron.expression, timezone=one.cron.timezone)
        for one in cron_triggers()
    ]
