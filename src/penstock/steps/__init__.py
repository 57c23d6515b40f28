"""Workflows of steps: one after the other, with choices, maps and waits.

from penstock.steps import Step, StepResult, Workflow, register_workflow

def extract(ctx, config):
    return StepResult.ok(output={"rows": [1, 2, 3]})

def load(ctx, config):
    return {"count": len(ctx.get_output("extract", "rows"))}

register_workflow(Workflow("etl", [Step.lambda_("extract", extract), Step.lambda_("load", load)]))
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.model.lazily import lazily

if TYPE_CHECKING:
    from penstock.model.retry import RetryPolicy
    from penstock.steps.board import StepsBoard, StepsStyle
    from penstock.steps.categories import ErrorCategory
    from penstock.steps.context import ExecutionContext, WorkflowContext
    from penstock.steps.errors import (
        ConfigurationFailure,
        FallThroughWarning,
        PipelineNotFound,
        ReadOnlyContext,
        StepFailed,
        StepReturnError,
    )
    from penstock.steps.pipelines import Pipeline, PipelineResult, PipelineStatus, pipeline, pipeline_registry
    from penstock.steps.program import StepPerformance, StepsInput, StepsProgram
    from penstock.steps.quality import QualityMetrics, QualityThresholds
    from penstock.steps.result import StepResult
    from penstock.steps.result import StepResult as LambdaStepResult
    from penstock.steps.step import (
        ChoiceStep,
        ErrorPolicy,
        LambdaStep,
        MapStep,
        Step,
        StepType,
        WaitStep,
    )
    from penstock.steps.work import Conduct, Settings
    from penstock.steps.workflow import Workflow, register_workflow

__all__ = [
    "ChoiceStep",
    "Conduct",
    "ConfigurationFailure",
    "ErrorCategory",
    "ErrorPolicy",
    "ExecutionContext",
    "FallThroughWarning",
    "LambdaStep",
    "LambdaStepResult",
    "MapStep",
    "Pipeline",
    "PipelineNotFound",
    "PipelineResult",
    "PipelineStatus",
    "QualityMetrics",
    "QualityThresholds",
    "ReadOnlyContext",
    "RetryPolicy",
    "Settings",
    "Step",
    "StepFailed",
    "StepPerformance",
    "StepResult",
    "StepReturnError",
    "StepType",
    "StepsBoard",
    "StepsInput",
    "StepsProgram",
    "StepsStyle",
    "WaitStep",
    "Workflow",
    "WorkflowContext",
    "pipeline",
    "pipeline_registry",
    "register_workflow",
]

_HOMES = {
    "penstock.model.retry": ("RetryPolicy",),
    "penstock.steps.board": ("StepsBoard", "StepsStyle"),
    "penstock.steps.categories": ("ErrorCategory",),
    "penstock.steps.context": ("ExecutionContext", "WorkflowContext"),
    "penstock.steps.errors": (
        "ConfigurationFailure",
        "FallThroughWarning",
        "PipelineNotFound",
        "ReadOnlyContext",
        "StepFailed",
        "StepReturnError",
    ),
    "penstock.steps.pipelines": ("Pipeline", "PipelineResult", "PipelineStatus", "pipeline", "pipeline_registry"),
    "penstock.steps.program": ("StepPerformance", "StepsInput", "StepsProgram"),
    "penstock.steps.quality": ("QualityMetrics", "QualityThresholds"),
    "penstock.steps.result": ("LambdaStepResult", "StepResult"),
    "penstock.steps.step": ("ChoiceStep", "ErrorPolicy", "LambdaStep", "MapStep", "Step", "StepType", "WaitStep"),
    "penstock.steps.work": ("Conduct", "Settings"),
    "penstock.steps.workflow": ("Workflow", "register_workflow"),
}

__getattr__, __dir__ = lazily(__name__, _HOMES)
