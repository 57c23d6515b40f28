"""Running workflows of steps."""

from penstock.runners.steps.checkpoints import Checkpoint
from penstock.runners.steps.config import WorkflowRunnerConfig
from penstock.runners.steps.events import WorkflowEvent
from penstock.runners.steps.results import StepExecution, StepMetrics, StepStatus, WorkflowResult, WorkflowStatus
from penstock.runners.steps.runner import WorkflowRunner

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
