"""Workflows, runners, questions and the health of runs of a database."""

from __future__ import annotations

from collections.abc import Sequence

from holdwater import operations
from holdwater.client.interface.observation import Catalog, Doctor, Questions
from holdwater.operations import (
    Database,
    Finding,
    OpenQuestion,
    QuestionCount,
    RunnerInfo,
    WorkflowInfo,
    paused_workflows,
)


class DatabaseCatalog(Catalog):
    """The announced workflows and the runners of a database."""

    def __init__(self, database: Database, author: str = "") -> None:
        self._database, self._author = database, author

    def list_workflows(self) -> Sequence[WorkflowInfo]:
        return operations.list_workflows(self._database)

    def get_workflow(self, name: str) -> WorkflowInfo:
        return operations.get_workflow(self._database, name)

    def list_paused_workflows(self) -> Sequence[str]:
        return [one.name for one in paused_workflows.list_paused(self._database)]

    def pause_workflow(self, name: str) -> None:
        paused_workflows.pause_workflow(self._database, name, by=self._author)

    def resume_workflow(self, name: str) -> None:
        paused_workflows.resume_workflow(self._database, name, by=self._author)

    def list_runners(self) -> Sequence[RunnerInfo]:
        return operations.list_runners(self._database)


class DatabaseQuestions(Questions):
    """The open questions of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list_questions(self, *, limit: int = 50, newest_first: bool = True) -> Sequence[OpenQuestion]:
        return operations.list_questions(self._database, limit=limit, newest_first=newest_first).questions

    def count_questions(self) -> QuestionCount:
        return operations.count_questions(self._database)


class DatabaseDoctor(Doctor):
    """The doctor of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def diagnose_run(self, run_id: str) -> Sequence[Finding]:
        return operations.diagnose_run(self._database, run_id)

    def diagnose_installation(self) -> Sequence[Finding]:
        return operations.diagnose_installation(self._database)
