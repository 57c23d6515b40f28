"""Workflows, runners, questions and the health of runs, wherever these are recorded."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from holdwater.operations.catalog import WorkflowInfo
from holdwater.operations.doctor import Finding
from holdwater.operations.questions import OpenQuestion, QuestionCount
from holdwater.operations.runners import RunnerInfo


class Catalog(ABC):
    """The announced workflows, and the runners."""

    @abstractmethod
    def list_workflows(self) -> Sequence[WorkflowInfo]:
        """List announced workflows by name, 1,000 at most."""

    @abstractmethod
    def get_workflow(self, name: str) -> WorkflowInfo:
        """Read an announced workflow with its nodes and its plan.  Raises WorkflowNotFound."""

    @abstractmethod
    def list_paused_workflows(self) -> Sequence[str]:
        """List the names of the workflows that are paused."""

    @abstractmethod
    def pause_workflow(self, name: str) -> None:
        """Start no runs of a workflow until it is resumed; open runs go on.  Idempotent.  Raises WorkflowNotFound."""

    @abstractmethod
    def resume_workflow(self, name: str) -> None:
        """Start runs of a workflow again.  Idempotent.  Raises WorkflowNotFound."""

    @abstractmethod
    def list_runners(self) -> Sequence[RunnerInfo]:
        """List the runners, the oldest first."""


class Questions(ABC):
    """The open questions of all runs."""

    @abstractmethod
    def list_questions(self, *, limit: int = 50, newest_first: bool = True) -> Sequence[OpenQuestion]:
        """List open questions."""

    @abstractmethod
    def count_questions(self) -> QuestionCount:
        """Count open questions, up to 1,000."""


class Doctor(ABC):
    """The reasons why runs do not move."""

    @abstractmethod
    def diagnose_run(self, run_id: str) -> Sequence[Finding]:
        """Find the reasons why a run does not move, worst first.  Raises RunNotFound."""

    @abstractmethod
    def diagnose_installation(self) -> Sequence[Finding]:
        """Look at the database, its runners, its queue and its schedules, worst first."""
