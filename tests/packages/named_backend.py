"""Hosts without processes: nodes of packages are performed by name in threads, from a registry of their own.

The definitions that the runner has know no code; what goes from one side to the other is bytes, as with a host.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from holdwater.model.error_report import ErrorText
from holdwater.model.input_requests import RawValue
from holdwater.model.ports.definition import CodeReference
from holdwater.model.registry import Registry
from holdwater.model.triggers import TriggerRegistry, TriggerResult
from holdwater.packages.descriptors.descriptor import describe_package
from holdwater.packages.installing.installed import InstalledRelease
from holdwater.packages.manifests.manifest import PackageManifest
from holdwater.packages.programs.loading import LoadedRelease, load_release
from holdwater.packages.programs.performing import NamedNode
from holdwater.runtime.executors.base import TaskInvocation
from holdwater.runtime.executors.child_calls import unpack_request
from holdwater.runtime.executors.processes.channel import run_call
from holdwater.runtime.executors.processes.worker_call import WorkerCall
from holdwater.runtime.services.triggers import call_trigger

RELEASE = "0123456789abcdef"


class NamedBackend:
    """Performs nodes from a registry.  `answer`: called with each answer; what it returns is taken in its place."""

    def __init__(self, registry: Registry, answer: Callable[[TaskInvocation, bytes], bytes]) -> None:
        self._registry, self._answer = registry, answer

    def run_invocation(self, invocation: TaskInvocation) -> bytes:
        assert invocation.reference is not None
        assert invocation.code_blobs == ()
        reference = CodeReference.from_data(json.loads(json.dumps(invocation.reference.to_data())))

        def send(message: list[Any], *blobs: bytes) -> None:
            match message:
                case ["defer", _]:
                    invocation.release_slot()
                case ["resume", _, request]:
                    on_slot = None if request is None else lambda: call.take_message("slot", request, [])
                    invocation.reacquire_slot(on_slot)
                case ["take", _]:
                    invocation.take_slot_now()
                case ["child", _, number]:
                    future = invocation.start_child_run(unpack_request(blobs[0]))
                    future.add_done_callback(
                        lambda _: call.take_message("child", number, invocation.pack_child_answer(future))
                    )

        call = WorkerCall(1, send)
        invocation.on_cancel(call.halt)
        node = NamedNode(self._registry, reference)
        return self._answer(invocation, run_call(invocation.payload, node.load, call, node.observe_failure))

    def kill(self, invocation: TaskInvocation) -> None:
        """Nothing: the functions of these tests end."""

    def close(self) -> None:
        """Nothing."""


@dataclass(frozen=True)
class NamedExecutor:
    """The configuration of such an executor."""

    registry: Registry
    max_concurrent: int = 1
    answer: Callable[[TaskInvocation, bytes], bytes] = field(default=lambda invocation, answer: answer)

    def open(self, name: str) -> NamedBackend:
        return NamedBackend(self.registry, self.answer)


@dataclass(frozen=True)
class NamedTriggers:
    """Calls triggers of a package in this process; no host dies here."""

    triggers: TriggerRegistry

    def poll_trigger(self, installed: InstalledRelease, name: str) -> TriggerResult:
        trigger = self.triggers.find(name)
        assert trigger is not None
        found = call_trigger(trigger)
        assert isinstance(found, TriggerResult), found
        return found

    def observe_failure(
        self, installed: InstalledRelease, reference: CodeReference, inputs: bytes, error: ErrorText
    ) -> tuple[str, ...]:
        raise AssertionError(error)


def installed_release(manifest: PackageManifest) -> InstalledRelease:
    """A release that is nowhere."""
    return InstalledRelease(
        release=RELEASE, digest=RELEASE * 4, manifest=manifest, folder=Path("/nonexistent"), python="/nonexistent"
    )


def load_registered(
    registry: Registry, manifest: PackageManifest, triggers: TriggerRegistry | None = None
) -> LoadedRelease:
    """The release of all that is registered, by way of the text of its descriptor."""
    known = TriggerRegistry() if triggers is None else triggers
    described = json.loads(json.dumps(describe_package(registry, known, manifest)))
    return load_release(described, installed_release(manifest), NamedTriggers(known))


def is_raw(value: object) -> bool:
    """True for a value that is to be converted where the code is."""
    return type(value) is RawValue
