"""A release as the engine of a process takes it in: definitions, triggers that hosts are asked for, schedules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Protocol

from holdwater.errors import BadAnswer, HoldwaterError
from holdwater.model import validation
from holdwater.model.error_report import ErrorText
from holdwater.model.ports.definition import CodeReference
from holdwater.model.triggers import Trigger, TriggerResult
from holdwater.packages.descriptors.descriptor import ReleaseDescriptor, read_descriptor
from holdwater.packages.installing.installed import InstalledRelease
from holdwater.packages.manifests.manifest import PackageSchedule
from holdwater.packages.programs.program import PackagedProgram, ReleaseWorkflows
from holdwater.schedules import parse_duration_us
from holdwater.tasks.context import Context


class PackageHosts(Protocol):
    """The part of a pool of hosts that releases need beside the performing of nodes."""

    def poll_trigger(self, installed: InstalledRelease, name: str) -> TriggerResult:
        """Call a trigger function of a release in a host.  Raises RemoteTaskError, BadAnswer, WorkerCrashed."""
        ...

    def observe_failure(
        self, installed: InstalledRelease, reference: CodeReference, inputs: bytes, error: ErrorText
    ) -> tuple[str, ...]:
        """Tell the observer of a node of a failure.  Raises ReleaseBroken, BadAnswer, RemoteTaskError."""
        ...


@dataclass(frozen=True, slots=True)
class LoadedRelease:
    """A release, ready to be registered.

    `definitions`: of the workflows that can be started.  `triggers`: named `PACKAGE/NAME`.  `schedules`: those of its
    manifest and of its code.
    """

    definitions: tuple[PackagedProgram, ...]
    triggers: tuple[Trigger, ...]
    schedules: tuple[PackageSchedule, ...]


@dataclass(frozen=True, slots=True)
class HostedTrigger:
    """A trigger function that is called in a host."""

    hosts: PackageHosts
    installed: InstalledRelease
    name: str

    def __call__(self) -> TriggerResult:
        """Ask the host.  Raises BadAnswer for what is no answer of a trigger, and the errors of `poll_trigger`."""
        found = self.hosts.poll_trigger(self.installed, self.name)
        if type(found) is not TriggerResult or type(found.fires) is not bool:
            raise BadAnswer(f"trigger {self.name!r} gave {validation.shorten_repr(found)}")
        if found.context is None:
            return found
        try:
            return TriggerResult(found.fires, Context(found.context).stored_values())
        except HoldwaterError as error:
            raise BadAnswer(f"trigger {self.name!r} fired with a context that is none: {error.message}") from error


def load_release(
    descriptor: Mapping[str, Any] | ReleaseDescriptor, installed: InstalledRelease, pool: PackageHosts
) -> LoadedRelease:
    """Make what the engine needs of a descriptor, which is not trusted.  Raises PackageBuildError."""
    manifest = installed.manifest
    if not isinstance(descriptor, ReleaseDescriptor):
        descriptor = read_descriptor(descriptor, manifest)
    observe_failure = partial(pool.observe_failure, installed)
    timeout_seconds = manifest.execution.timeout_seconds
    release = ReleaseWorkflows(installed.release, descriptor.workflows, observe_failure, timeout_seconds)
    return LoadedRelease(
        tuple([PackagedProgram(descriptor.workflows[name], release) for name in descriptor.workflow_names]),
        tuple(
            [
                Trigger(
                    f"{manifest.name}/{one.name}",
                    one.workflow,
                    parse_duration_us(timedelta(seconds=one.poll_interval_seconds)),
                    one.allow_concurrent,
                    HostedTrigger(pool, installed, one.name),
                )
                for one in descriptor.triggers
            ]
        ),
        descriptor.schedules,
    )
