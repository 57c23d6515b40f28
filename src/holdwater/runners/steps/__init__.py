"""WorkflowRunner: runs workflows of steps."""

from holdwater.runners.steps.checkpoints import Checkpoint
from holdwater.runners.steps.config import WorkflowRunnerConfig
from holdwater.runners.steps.events import WorkflowEvent
from holdwater.runners.steps.results import StepExecution, StepMetrics, StepStatus, WorkflowResult, WorkflowStatus
from holdwater.runners.steps.workflow_runner import WorkflowRunner

__all__ = [
    "Checkpoint",
    "StepExecution",
    "StepMetrics",
    "StepStatus",
    "WorkflowEvent",
    "WorkflowResult",
    "WorkflowRunner",
    "WorkflowRunnerConfig",
    "WorkflowStatus",
]
