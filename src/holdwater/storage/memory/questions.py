"""The memory store: open questions."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final

from holdwater.model.records import QuestionCursor, QuestionRow, RunUpdate
from holdwater.storage.sql.questions import MAX_LISTED_QUESTIONS


class MemoryQuestions:
    """The open questions of a memory store, under its lock."""

    def __init__(self, locked: Callable[[], AbstractContextManager[None]]) -> None:
        """Begin without any."""
        self._locked_for_questions = locked
        self._questions: Final[dict[str, dict[int, QuestionRow]]] = {}
        """by run and node"""

    def list_questions(
        self, limit: int, after: QuestionCursor | None = None, *, newest_first: bool = True
    ) -> list[QuestionRow]:
        """List questions of all runs by the instant they were asked, 1,000 at most.  `after`: behind this place."""
        with self._locked_for_questions():
            found = [row for rows in self._questions.values() for row in rows.values()]
        found.sort(key=_place, reverse=newest_first)
        behind = [
            row for row in found if after is None or (_place(row) < after if newest_first else _place(row) > after)
        ]
        return behind[: max(0, min(limit, MAX_LISTED_QUESTIONS))]

    def count_questions(self, limit: int) -> int:
        """Count them, up to a limit."""
        with self._locked_for_questions():
            return min(sum(map(len, self._questions.values())), max(0, limit))

    def _update_questions(self, update: RunUpdate) -> None:
        if update.questions is None:
            return
        run_id = update.run.id
        rows = self._questions.setdefault(run_id, {})
        for node in update.questions.closed:
            rows.pop(node, None)
        for node, fence in update.questions.asked:
            rows[node] = QuestionRow(run_id, node, fence, update.at)
        if not rows:
            del self._questions[run_id]


def _place(row: QuestionRow) -> QuestionCursor:
    return row.asked_at, row.run_id, row.node
