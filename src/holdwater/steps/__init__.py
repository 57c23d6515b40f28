"""Workflows of steps: one after the other, with choices, maps and waits.

from holdwater.steps import Step, StepResult, Workflow, register_workflow

def extract(ctx, config):
    return StepResult.ok(output={"rows": [1, 2, 3]})

def load(ctx, config):
    return {"count": len(ctx.get_output("extract", "rows"))}

register_workflow(Workflow("etl", [Step.lambda_("extract", extract), Step.lambda_("load", load)]))
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdwater.model.lazy_imports import lazy_module

if TYPE_CHECKING:
    from holdwater.model.policies import RetryPolicy
    from holdwater.steps.base_step import ErrorPolicy, StepType
    from holdwater.steps.context import ExecutionContext, WorkflowContext
    from holdwater.steps.definition import StepsInput, StepsWorkflowDefinition
    from holdwater.steps.error_categories import ErrorCategory
    from holdwater.steps.execute import StepSettings, StepWrapper
    from holdwater.steps.pipelines import Pipeline, PipelineRunResult, PipelineStatus, pipeline, pipeline_registry
    from holdwater.steps.quality import QualityMetrics, QualityThresholds
    from holdwater.steps.result import StepResult
    from holdwater.steps.run_data import StepsRunData, StepsStyle
    from holdwater.steps.step import ChoiceStep, LambdaStep, MapStep, Step, WaitStep
    from holdwater.steps.workflow import Workflow, register_workflow

__all__ = [
    "ChoiceStep",
    "ErrorCategory",
    "ErrorPolicy",
    "ExecutionContext",
    "LambdaStep",
    "MapStep",
    "Pipeline",
    "PipelineRunResult",
    "PipelineStatus",
    "QualityMetrics",
    "QualityThresholds",
    "RetryPolicy",
    "Step",
    "StepResult",
    "StepSettings",
    "StepType",
    "StepWrapper",
    "StepsInput",
    "StepsRunData",
    "StepsStyle",
    "StepsWorkflowDefinition",
    "WaitStep",
    "Workflow",
    "WorkflowContext",
    "pipeline",
    "pipeline_registry",
    "register_workflow",
]

_EXPORTS = {
    "holdwater.model.policies": ("RetryPolicy",),
    "holdwater.steps.base_step": (
        "ErrorPolicy",
        "StepType",
    ),
    "holdwater.steps.context": (
        "ExecutionContext",
        "WorkflowContext",
    ),
    "holdwater.steps.definition": (
        "StepsInput",
        "StepsWorkflowDefinition",
    ),
    "holdwater.steps.error_categories": ("ErrorCategory",),
    "holdwater.steps.execute": (
        "StepSettings",
        "StepWrapper",
    ),
    "holdwater.steps.pipelines": (
        "Pipeline",
        "PipelineRunResult",
        "PipelineStatus",
        "pipeline",
        "pipeline_registry",
    ),
    "holdwater.steps.quality": (
        "QualityMetrics",
        "QualityThresholds",
    ),
    "holdwater.steps.result": ("StepResult",),
    "holdwater.steps.run_data": (
        "StepsRunData",
        "StepsStyle",
    ),
    "holdwater.steps.step": (
        "ChoiceStep",
        "LambdaStep",
        "MapStep",
        "Step",
        "WaitStep",
    ),
    "holdwater.steps.workflow": (
        "Workflow",
        "register_workflow",
    ),
}

__getattr__, __dir__ = lazy_module(__name__, _EXPORTS)
