"""Full names of tasks: tenant, package, workflow and task."""

from __future__ import annotations

from dataclasses import dataclass

from holdwater.errors import WorkflowError

NAMESPACE_SEPARATOR = "::"


@dataclass(frozen=True, slots=True)
class TaskNamespace:
    """The full name of a task; `str()` returns `tenant::package::workflow::task`."""

    tenant_id: str
    package_name: str
    workflow_id: str
    task_id: str

    @classmethod
    def from_string(cls, text: str) -> TaskNamespace:
        """Parse `tenant::package::workflow::task`.  Raises WorkflowError."""
        parts = text.split(NAMESPACE_SEPARATOR)
        if len(parts) != 4:
            raise WorkflowError(
                f"Invalid namespace format: {text!r} has {len(parts)} parts",
                hint="a full task name is tenant::package::workflow::task",
            )
        return cls(*parts)

    def parent(self) -> TaskNamespace:
        """Return the name of the task's workflow: the same name without a task."""
        return TaskNamespace(self.tenant_id, self.package_name, self.workflow_id, "")

    def is_child_of(self, other: TaskNamespace) -> bool:
        """Return True if `other` is the workflow of this task."""
        return bool(self.task_id) and self.parent() == other

    def is_sibling_of(self, other: TaskNamespace) -> bool:
        """Return True if both are different tasks of one workflow."""
        return self != other and self.parent() == other.parent()

    def __str__(self) -> str:
        return NAMESPACE_SEPARATOR.join((self.tenant_id, self.package_name, self.workflow_id, self.task_id))


@dataclass(frozen=True, slots=True)
class WorkflowNamespace:
    """The full name of a workflow; `str()` returns `tenant::package::workflow`."""

    tenant_id: str
    package_name: str
    workflow_id: str

    def task_namespace(self, task_id: str) -> TaskNamespace:
        """Return the full name of a task of this workflow."""
        return TaskNamespace(self.tenant_id, self.package_name, self.workflow_id, task_id)

    def resolve_dependency(self, name: str) -> TaskNamespace:
        """Return the full name of a dependency; a bare id belongs to this workflow.  Raises WorkflowError."""
        return TaskNamespace.from_string(name) if NAMESPACE_SEPARATOR in name else self.task_namespace(name)

    def workflow_namespace(self) -> str:
        """Return the name as a text."""
        return str(self)

    def contains_namespace(self, namespace: TaskNamespace) -> bool:
        """Return True if the task belongs to this workflow."""
        return namespace.parent() == self.task_namespace("")

    def __str__(self) -> str:
        return NAMESPACE_SEPARATOR.join((self.tenant_id, self.package_name, self.workflow_id))
