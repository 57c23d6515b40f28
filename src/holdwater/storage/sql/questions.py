"""Open questions on every SQL database."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, Protocol

from holdwater.model.records import FirstQuestion, QuestionCursor, QuestionRow
from holdwater.model.time import Micros
from holdwater.storage.sql import queries

MAX_LISTED_QUESTIONS: Final = 1000
FIRST_QUESTION: Final[QuestionCursor] = (Micros(-(1 << 63)), "", -1)
LAST_QUESTION: Final[QuestionCursor] = (Micros((1 << 63) - 1), "", -1)
"""a place behind every question"""


class QuestionStatements(queries.RunQueryStatements, Protocol):
    """The statements of questions in a dialect's module of statements."""

    LIST_NEWEST_QUESTIONS: str
    LIST_OLDEST_QUESTIONS: str
    COUNT_QUESTIONS: str
    LIST_FIRST_QUESTIONS: str


class QuestionQueries(queries.RunQueries):
    """The part of a store that reads questions."""

    _sql: QuestionStatements

    def list_questions(
        self, limit: int, after: QuestionCursor | None = None, *, newest_first: bool = True
    ) -> list[QuestionRow]:
        """List questions of all runs by the instant they were asked, 1,000 at most.  `after`: behind this place."""
        statement = self._sql.LIST_NEWEST_QUESTIONS if newest_first else self._sql.LIST_OLDEST_QUESTIONS
        place = after or (LAST_QUESTION if newest_first else FIRST_QUESTION)
        found = self._select(statement, (*place, max(0, min(limit, MAX_LISTED_QUESTIONS))))
        return [QuestionRow(*row) for row in found]

    def first_questions(self, run_ids: Collection[str]) -> dict[str, FirstQuestion]:
        """Return the first open question of each of these runs, and of those its nodes have fanned out to."""
        found = self._select(self._sql.LIST_FIRST_QUESTIONS, (self._array_parameter(run_ids),))
        return {
            run_id: FirstQuestion(asking_run_id, structure, node, bool(is_suspended))
            for run_id, asking_run_id, structure, node, is_suspended in found
        }

    def count_questions(self, limit: int) -> int:
        """Count them, up to a limit."""
        ((count,),) = self._select(self._sql.COUNT_QUESTIONS, (max(0, limit),))
        return int(count)
