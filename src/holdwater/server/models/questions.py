"""Open questions of all runs."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from holdwater.operations.questions import OpenQuestion
from holdwater.server.models.base import Instant, Page, to_instant
from holdwater.server.models.executions import Count
from holdwater.server.models.values import shown_value


class OpenQuestionBody(BaseModel):
    """A question that waits for an answer; answer it at `executions/{execution_id}/answers`.

    `problem`: why it cannot be read; null if it can.
    """

    execution_id: str
    workflow_name: str
    pause_id: str
    answer_name: str
    task_name: str
    asking_execution_id: str
    value: Any
    answer_schema: Any
    since: Instant
    problem: str | None

    @classmethod
    def of(cls, question: OpenQuestion, *, typed: bool = False) -> OpenQuestionBody:
        """Create it from an open question.  `typed`: with its value as it is stored."""
        return cls(
            execution_id=question.run_id,
            workflow_name=question.workflow,
            pause_id=question.pause_id,
            answer_name=question.answer_name,
            task_name=question.node,
            asking_execution_id=question.asking_run_id,
            value=shown_value(question.question, typed=typed),
            answer_schema=question.answer_schema,
            since=to_instant(question.since),
            problem=question.problem or None,
        )


class QuestionPageBody(Page):
    """Open questions, the newest first.  `counts`: with `count=true`."""

    items: list[OpenQuestionBody]
    counts: Count | None = None
