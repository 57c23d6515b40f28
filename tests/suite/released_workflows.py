"""Definitions of this process that act as workflows of a release."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from holdwater import WorkflowBuilder, task
from holdwater.model.plan import Plan
from holdwater.model.ports.definition import WorkflowDefinition
from holdwater.model.registry import Registry

OLD, NEW = "0" * 16, "f" * 16


class ReleasedDefinition:
    """A definition, its variants and its children as those of a release."""

    def __init__(self, inner: WorkflowDefinition, release: str) -> None:
        self._inner, self.release = inner, release
        self._children: dict[int, WorkflowDefinition] | None = None

    @property
    def plan(self) -> Plan:
        return self._inner.plan

    def specialize(self, inputs: Any) -> WorkflowDefinition:
        return self._as_released(self._inner.specialize(inputs))

    def variant(self, description: str) -> WorkflowDefinition:
        return self._as_released(self._inner.variant(description))

    def child_definitions(self) -> Mapping[int, WorkflowDefinition]:
        if self._children is None:
            children = self._inner.child_definitions()
            self._children = {node: of_release(child, self.release) for node, child in children.items()}
        return self._children

    def _as_released(self, definition: WorkflowDefinition) -> WorkflowDefinition:
        if definition is self._inner:
            return cast(WorkflowDefinition, self)
        return of_release(definition, self.release)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def of_release(definition: WorkflowDefinition, release: str) -> WorkflowDefinition:
    """The same definition in a release."""
    return cast(WorkflowDefinition, ReleasedDefinition(definition, release))


def tasks(name: str, *bodies: Callable[..., Any], **options: Any) -> WorkflowDefinition:
    """A workflow of tasks, one after the other, that no registry knows."""
    own = Registry()
    with WorkflowBuilder(name, into=own):
        before: list[str] = []
        for body in bodies:
            task(id=body.__name__, dependencies=before, **options)(body)
            before = [body.__name__]
    return own.get(name)


def registry_with(release: str, *definitions: WorkflowDefinition, active: bool = True) -> Registry:
    """A registry that has a release of these definitions."""
    made = Registry()
    add_release(made, release, *definitions, active=active)
    return made


def add_release(to: Registry, release: str, *definitions: WorkflowDefinition, active: bool = True) -> None:
    """Register these definitions as a release, which becomes the only active one."""
    to.register_release(release, [of_release(one, release) for one in definitions])
    if active:
        to.activate(release, replacing=to.releases())
