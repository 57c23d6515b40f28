"""Workflows, runners, questions and the health of runs of a server."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from holdwater.client.interface.observation import Catalog, Doctor, Questions
from holdwater.client.server.connection import PAGE_ITEMS, ServerConnection
from holdwater.client.server.parsing import finding_of, question_of, runner_of, workflow_of
from holdwater.operations.catalog import MAX_LISTED_WORKFLOWS, WorkflowInfo
from holdwater.operations.doctor import Finding
from holdwater.operations.questions import OpenQuestion, QuestionCount
from holdwater.operations.runners import RunnerInfo


class ServerCatalog(Catalog):
    """The announced workflows and the runners of a tenant."""

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection

    def list_workflows(self) -> Sequence[WorkflowInfo]:
        found = self._connection.items(self._connection.path("workflows"))
        return [workflow_of(one) for one in itertools.islice(found, MAX_LISTED_WORKFLOWS)]

    def get_workflow(self, name: str) -> WorkflowInfo:
        return workflow_of(self._connection.get(self._connection.path("workflows", name)))

    def list_paused_workflows(self) -> Sequence[str]:
        found = self._connection.items(self._connection.path("workflows"))
        return [one["name"] for one in found if one["paused"]]

    def pause_workflow(self, name: str) -> None:
        self._connection.post(self._connection.path("workflows", name, "pause"))

    def resume_workflow(self, name: str) -> None:
        self._connection.post(self._connection.path("workflows", name, "resume"))

    def list_runners(self) -> Sequence[RunnerInfo]:
        return [runner_of(one) for one in self._connection.get(self._connection.path("runners"))["items"]]


class ServerQuestions(Questions):
    """The open questions of a tenant."""

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection

    def list_questions(self, *, limit: int = 50, newest_first: bool = True) -> Sequence[OpenQuestion]:
        asked = {"limit": min(limit, PAGE_ITEMS), "oldest": not newest_first, "typed": True}
        found = self._connection.items(self._connection.path("questions"), **asked)
        return [question_of(one) for one in itertools.islice(found, limit)]

    def count_questions(self) -> QuestionCount:
        counts = self._connection.get(self._connection.path("questions"), limit=1, count=True)["counts"]
        return QuestionCount(counts["count"], counts["more"])


class ServerDoctor(Doctor):
    """The doctor of a tenant."""

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection

    def diagnose_run(self, run_id: str) -> Sequence[Finding]:
        found = self._connection.get(self._connection.path("executions", run_id, "doctor"))
        return [finding_of(one) for one in found["items"]]

    def diagnose_installation(self) -> Sequence[Finding]:
        return [finding_of(one) for one in self._connection.get(self._connection.path("doctor"))["items"]]
