"""Resolution of workflows, graphs and names to registered names."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from holdwater.errors import ConfigError
from holdwater.model.ports.definition import WorkflowDefinition
from holdwater.model.registry import Registry
from holdwater.tasks import WorkflowBuilder


@runtime_checkable
class RunnableWorkflow(Protocol):
    """A workflow of tasks or steps, or a graph."""

    @property
    def name(self) -> str | None: ...

    def program(self, name: str | None = None) -> WorkflowDefinition: ...


WorkflowRef = str | RunnableWorkflow | WorkflowBuilder
"""a registered name, a definition, or the builder of one"""


def resolve_workflow_name(workflow: object, registry: Registry) -> str:
    """Return the registered name of a workflow; an unregistered definition is registered under its own name.

    A `WorkflowBuilder` means the workflow it has registered.
    Raises ConfigError for other types, WorkflowError for a definition without a name.
    """
    if isinstance(workflow, str):
        return workflow
    if isinstance(workflow, WorkflowBuilder):
        return workflow.namespace.workflow_id
    if not isinstance(workflow, RunnableWorkflow) or isinstance(workflow, type):
        raise ConfigError(
            f"a workflow is given by its name or as a workflow or graph, not as {type(workflow).__name__}",
            hint='runner.execute("orders"), runner.execute(orders)',
        )
    found = None if workflow.name is None else registry.find(workflow.name)
    if found is None or _source_workflow(found) is not workflow:
        found = workflow.program()
        registry.register(found)
    return found.plan.name


def _source_workflow(program: WorkflowDefinition) -> Any:
    """Return the object a definition was created from."""
    return getattr(program, "graph" if program.style.name == "graphs" else "workflow", None)
