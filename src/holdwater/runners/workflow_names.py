"""From a workflow or graph, or its name, to the name it is registered under."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from holdwater.errors import ConfigError
from holdwater.model.ports import WorkflowDefinition
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
    """The name to run a definition by; registers a definition that is not registered yet, under its own name.

    A `WorkflowBuilder` stands for the workflow it has registered.
    Raises ConfigError for anything else, WorkflowError for a definition without a name.
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
    """The object a program was made from."""
    return getattr(program, "graph" if program.style.name == "graphs" else "workflow", None)
