"""The workflows this process can execute: it has their code, and the executors that the code asks for."""

from __future__ import annotations

from collections.abc import Collection

from holdwater.model.ports.definition import WorkflowDefinition
from holdwater.model.registry import Registry
from holdwater.runtime.executors.dispatch import Dispatcher
from holdwater.runtime.executors.slots import Executor


class ExecutableWorkflows:
    """A view of the registry."""

    def __init__(self, registry: Registry, dispatcher: Dispatcher) -> None:
        self._registry, self._dispatcher = registry, dispatcher

    def claim_keys(self) -> Collection[str]:
        """Claim keys of the runs that can be executed here."""
        found = self._registry.executable_definitions()
        return [key for key, definition in found.items() if self._has_executors(definition)]

    def startable_names(self) -> Collection[str]:
        """Names of the workflows of which runs can be started here, by schedules for example."""
        return [name for name in self._registry.startable_names() if self.find(name) is not None]

    def find(self, name: str) -> WorkflowDefinition | None:
        """The definition of new runs of a workflow; None if it cannot be executed here."""
        return self._executable(self._registry.find(name))

    def find_in_release(self, workflow: str, release: str | None) -> WorkflowDefinition | None:
        """The definition of runs that are pinned to a release, None for code; None if it cannot be executed here."""
        return self._executable(self._registry.find_in_release(workflow, release))

    def not_routed_to(self, full_executors: Collection[Executor]) -> tuple[list[str], list[tuple[str, int]]]:
        """Claim keys with tasks that run on other executors than these, and the (key, node) pairs that do not."""
        keys: list[str] = []
        passed_over: list[tuple[str, int]] = []
        for key, definition in self._registry.executable_definitions().items():
            if not self._has_executors(definition):
                continue
            waiting = self._dispatcher.nodes_routed_to(definition, full_executors)
            if len(waiting) < len(definition.plan.nodes):
                keys.append(key)
                passed_over += [(key, node) for node in waiting]
        return keys, passed_over

    def _executable(self, definition: WorkflowDefinition | None) -> WorkflowDefinition | None:
        return definition if definition is not None and self._has_executors(definition) else None

    def _has_executors(self, definition: WorkflowDefinition) -> bool:
        return self._dispatcher.can_execute(definition)
