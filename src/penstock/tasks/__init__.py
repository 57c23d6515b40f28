"""Workflows of tasks: functions with dependencies that share one context.

from penstock.tasks import Context, WorkflowBuilder, task

with WorkflowBuilder("etl"):

    @task()
    def extract(context):
        context["rows"] = [1, 2, 3]

    @task(dependencies=[extract])
    def load(context):
        return {"count": len(context["rows"])}
"""

from penstock.tasks.board import TaskBoard, TaskStyle
from penstock.tasks.builder import WorkflowBuilder
from penstock.tasks.context import Context
from penstock.tasks.decorator import task
from penstock.tasks.definition import Task, TaskControl
from penstock.tasks.names import TaskNamespace, WorkflowContext
from penstock.tasks.patch import Patch
from penstock.tasks.program import TaskPerformance, TaskProgram
from penstock.tasks.rules import all_of, always, any_of, context_value, none_of, task_failed, task_skipped, task_success
from penstock.tasks.triggers import trigger
from penstock.tasks.workflow import Workflow, register_workflow_constructor

__all__ = [
    "Context",
    "Patch",
    "Task",
    "TaskBoard",
    "TaskControl",
    "TaskNamespace",
    "TaskPerformance",
    "TaskProgram",
    "TaskStyle",
    "Workflow",
    "WorkflowBuilder",
    "WorkflowContext",
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
