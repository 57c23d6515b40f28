"""The workflows this process can execute: it has their code, and the executors that the code asks for."""

from __future__ import annotations

from collections.abc import Callable, Collection

from holdwater.model.ports.definition import WorkflowDefinition
from holdwater.runtime.executors.dispatch import Dispatcher
from holdwater.runtime.executors.slots import Executor


class ExecutableWorkflows:
    """A view of the registry."""

    def __init__(
        self,
        find_definition: Callable[[str], WorkflowDefinition | None],
        registered_workflows: Callable[[], Collection[str]],
        dispatcher: Dispatcher,
    ) -> None:
        self._find_definition, self._registered_workflows = find_definition, registered_workflows
        self._dispatcher = dispatcher

    def names(self) -> Collection[str]:
        return [name for name in self._registered_workflows() if self.find(name) is not None]

    def find(self, name: str) -> WorkflowDefinition | None:
        """The definition of a workflow; None if it cannot be executed here."""
        definition = self._find_definition(name)
        return definition if definition is not None and self._dispatcher.can_execute(definition) else None

    def not_routed_to(self, full_executors: Collection[Executor]) -> tuple[list[str], list[tuple[str, int]]]:
        """Workflows with tasks that run on other executors than these, and the (workflow, node) pairs that do not."""
        names: list[str] = []
        passed_over: list[tuple[str, int]] = []
        for name in self._registered_workflows():
            definition = self.find(name)
            if definition is None:
                continue
            waiting = self._dispatcher.nodes_routed_to(definition, full_executors)
            if len(waiting) < len(definition.plan.nodes):
                names.append(name)
                passed_over += [(name, node) for node in waiting]
        return names, passed_over
