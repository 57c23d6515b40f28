"""The memory store: open questions."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Final

from holdwater.model.records import FirstQuestion, JournalRow, QuestionCursor, QuestionRow, RunRow, RunUpdate
from holdwater.storage.sql.questions import MAX_LISTED_QUESTIONS


class MemoryQuestions:
    """The open questions of a memory store, under its lock."""

    def __init__(
        self,
        locked: Callable[[], AbstractContextManager[None]],
        runs: Mapping[str, RunRow],
        journals: Mapping[str, Sequence[JournalRow]],
    ) -> None:
        """Begin without any.  `runs`, `journals`: those of the store, by run."""
        self._locked_for_questions = locked
        self._asking_runs, self._journals_of_runs = runs, journals
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

    def first_questions(self, run_ids: Collection[str]) -> dict[str, FirstQuestion]:
        """Return the first open question of each of these runs, and of those its nodes have fanned out to."""
        found: dict[str, FirstQuestion] = {}
        with self._locked_for_questions():
            asking = sorted(self._questions)
            for run_id in run_ids:
                k = bisect_left(asking, run_id if run_id in self._questions else f"{run_id}/")
                if k < len(asking) and (asking[k] == run_id or asking[k].startswith(f"{run_id}/")):
                    structure, node = self._asking_runs[asking[k]].structure, min(self._questions[asking[k]])
                    is_suspended = _ends_with_pause(self._journals_of_runs.get(run_id, ()))
                    found[run_id] = FirstQuestion(asking[k], structure, node, is_suspended)
        return found

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


def _ends_with_pause(journal: Sequence[JournalRow]) -> bool:
    """Return True if the last request to pause or to resume a run is one to pause it."""
    for row in reversed(journal):
        if '["paused",' in row.entries or '["resumed",' in row.entries:
            kinds: list[str] = [entry[0] for entry in json.loads(row.entries) if entry[0] in ("paused", "resumed")]
            if kinds:
                return kinds[-1] == "paused"
    return False


def _place(row: QuestionRow) -> QuestionCursor:
    return row.asked_at, row.run_id, row.node
