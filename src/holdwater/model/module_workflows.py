"""Workflows and graphs that are variables of a module: registered by their names, as those of decorators are."""

from __future__ import annotations

from types import ModuleType
from typing import Protocol, runtime_checkable

from holdwater.errors import WorkflowError
from holdwater.model.ports.definition import WorkflowDefinition
from holdwater.model.registry import Registry


@runtime_checkable
class NamedWorkflow(Protocol):
    """A workflow of any style, or a graph; `name`: None for a graph without one."""

    @property
    def name(self) -> str | None: ...

    def program(self, name: str | None = None) -> WorkflowDefinition:
        """Return its definition."""
        ...


def register_module(module: ModuleType, registry: Registry) -> None:
    """Register every workflow and named graph that a variable of a module is, unless it is registered.

    Raises WorkflowError if its name is that of another workflow, or cannot be stored.
    """
    for attribute, value in list(vars(module).items()):
        if isinstance(value, type) or not isinstance(value, NamedWorkflow) or not value.name:
            continue
        definition = value.program()
        known = registry.find(definition.plan.name)
        if known is None:
            registry.register(definition)
        elif known.plan.structure != definition.plan.structure or known.style.name != definition.style.name:
            raise WorkflowError(
                f"{module.__name__}: {attribute} is another workflow of the name {definition.plan.name!r}",
                hint="rename one of them",
            )
