"""Storage of open questions."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from holdwater.model.records import FirstQuestion, QuestionCursor, QuestionRow


class QuestionStore(Protocol):
    """The part of a store for open questions.  They are written by commits, and deleted with their runs.

    A run that a version before this one has changed may have rows of questions that are not open any more.
    """

    def list_questions(
        self, limit: int, after: QuestionCursor | None = None, *, newest_first: bool = True
    ) -> list[QuestionRow]:
        """List questions of all runs by the instant they were asked, 1,000 at most.  `after`: behind this place."""
        ...

    def first_questions(self, run_ids: Collection[str]) -> dict[str, FirstQuestion]:
        """Return the first open question of each of these runs: its own, or one of the runs its nodes have fanned out
        to, and theirs.  Runs without any are left out.
        """
        ...

    def count_questions(self, limit: int) -> int:
        """Count them, up to a limit."""
        ...
