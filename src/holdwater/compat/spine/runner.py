"""The original's runner: Holdwater's, with the original's positional arguments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from holdwater.runners import steps
from holdwater.runners.steps import WorkflowResult
from holdwater.steps import Workflow, WorkflowContext


class WorkflowRunner(steps.WorkflowRunner):
    """Holdwater's runner."""

    def execute(
        self,
        workflow: Workflow,
        params: Mapping[str, Any] | None = None,
        partition: Mapping[str, Any] | None = None,
        context: WorkflowContext | None = None,
        start_from: str | None = None,
        run_id: str | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> WorkflowResult:
        """Run a workflow as Holdwater's runner does."""
        return super().execute(
            workflow,
            params=params,
            partition=partition,
            context=context,
            start_from=start_from,
            run_id=run_id,
            labels=labels,
        )


def get_workflow_runner(dispatcher: Any = None, dry_run: bool = False) -> WorkflowRunner:
    """Create a runner without a database."""
    return WorkflowRunner(dispatcher=dispatcher, dry_run=dry_run)
