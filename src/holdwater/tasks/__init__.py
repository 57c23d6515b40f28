"""Workflows of tasks: functions with dependencies that share one context.

from holdwater.tasks import Context, WorkflowBuilder, task

with WorkflowBuilder("etl"):

    @task()
    def extract(context):
        context["rows"] = [1, 2, 3]

    @task(dependencies=[extract])
    def load(context):
        return {"count": len(context["rows"])}
"""

from holdwater.model.error_report import ErrorText
from holdwater.tasks.builder import WorkflowBuilder
from holdwater.tasks.context import Context
from holdwater.tasks.decorator import task
from holdwater.tasks.definition import TaskWorkflowDefinition
from holdwater.tasks.namespaces import TaskNamespace, WorkflowNamespace
from holdwater.tasks.patch import Patch
from holdwater.tasks.run_data import TaskRunData, TaskStyle
from holdwater.tasks.task_definition import Task, TaskHandleProtocol
from holdwater.tasks.trigger_rules import (
    all_of,
    always,
    any_of,
    context_value,
    none_of,
    task_failed,
    task_skipped,
    task_success,
)
from holdwater.tasks.triggers import trigger
from holdwater.tasks.workflow import TaskWorkflow, register_workflow_constructor

__all__ = [
    "Context",
    "ErrorText",
    "Patch",
    "Task",
    "TaskHandleProtocol",
    "TaskNamespace",
    "TaskRunData",
    "TaskStyle",
    "TaskWorkflow",
    "TaskWorkflowDefinition",
    "WorkflowBuilder",
    "WorkflowNamespace",
    "all_of",
    "always",
    "any_of",
    "context_value",
    "none_of",
    "register_workflow_constructor",
    "task",
    "task_failed",
    "task_skipped",
    "task_success",
    "trigger",
]
