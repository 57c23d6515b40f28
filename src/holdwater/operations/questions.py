"""Open questions of all runs of a database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from holdwater.errors import DecodingError, StoreError, StoreUnavailable
from holdwater.model.json_schema import Schema
from holdwater.model.records import QuestionCursor, QuestionRow
from holdwater.model.time import Micros
from holdwater.model.value_types.display import to_display_text
from holdwater.model.value_types.tag import TAG, Tree
from holdwater.model.values import StoredValue
from holdwater.operations.databases import Database
from holdwater.runs.question_locator import QuestionLocator

COUNT_LIMIT: Final = 1000
"""questions that are counted at most"""


@dataclass(frozen=True, slots=True)
class OpenQuestion:
    """A question that waits for an answer.

    `run_id`, `workflow`: the run people know it by: of a child run that others wait for, the top one of these.
    `pause_id`: the question in that run, which `find_pause` takes; `answer_name`: what the answer is called.
    `asking_run_id`, `node`: the node that asks.  `question`: the value to show, None if there is none.
    `answer_schema`: the JSON Schema of the answers; None: any value will do.
    `since`: when it was asked (microseconds since the epoch).
    `problem`: the reason why it cannot be read, "" if it can; then all else but the run and the instant is unknown.
    """

    run_id: str
    workflow: str
    pause_id: str
    answer_name: str
    asking_run_id: str
    node: str
    question: StoredValue | None
    answer_schema: Schema | None
    since: Micros
    problem: str = ""

    @property
    def value(self) -> Any:
        """The value to show.  Raises DecodingError."""
        return None if self.question is None else self.question.copy()


@dataclass(frozen=True, slots=True)
class QuestionPage:
    """Questions in the order in which they were asked.  `next_cursor`: where the next page begins, None at the end."""

    questions: tuple[OpenQuestion, ...]
    next_cursor: QuestionCursor | None


@dataclass(frozen=True, slots=True)
class QuestionCount:
    """Number of open questions.  `has_more`: there are more than were counted."""

    count: int
    has_more: bool


def list_questions(
    database: Database, *, limit: int = 50, after: QuestionCursor | None = None, newest_first: bool = True
) -> QuestionPage:
    """List open questions of all runs, also of those that run on meanwhile.  `after`: the place to go on from.

    Costs as much as the runs that ask are long, however many others there are.  Raises StoreUnavailable, StoreError.
    """
    locator = QuestionLocator(database.runs)
    found: list[OpenQuestion] = []
    while len(found) < limit:
        wanted = limit - len(found)
        rows = database.store.list_questions(wanted, after, newest_first=newest_first)
        found += [question for row in rows if (question := _read(database, locator, row)) is not None]
        after = (rows[-1].asked_at, rows[-1].run_id, rows[-1].node) if len(rows) == wanted else None
        if after is None:
            break
    return QuestionPage(tuple(found), after)


def count_questions(database: Database, *, limit: int = COUNT_LIMIT) -> QuestionCount:
    """Count open questions, up to a limit.  Raises StoreUnavailable."""
    count = database.store.count_questions(limit + 1)
    return QuestionCount(min(count, limit), count > limit)


def question_text(question: StoredValue | None, max_chars: int) -> str:
    """Return the value a question shows as one line of at most `max_chars` characters; "" if it shows none.

    A text as it is, the items of a dict as `key: value`, anything else as `to_display_text` has it.
    """
    if question is None:
        return ""
    tree = question.tree
    if type(tree) is not dict or TAG in tree or not tree:
        return _cut(_line_of(tree, max_chars), max_chars)
    parts: list[str] = []
    left = max_chars
    for key, value in tree.items():
        parts.append(f"{_line_of(key, max_chars)}: {_line_of(value, max_chars)}")
        left -= len(parts[-1]) + 2
        if left < -2:
            break
    return _cut(", ".join(parts), max_chars)


def _line_of(tree: Tree, max_chars: int) -> str:
    """Return a value in one line, little longer than `max_chars` characters if it is cut."""
    if type(tree) is not str:
        return to_display_text(tree, max_chars)
    line = " ".join(tree[: max_chars + 1].split())
    return line if len(tree) <= max_chars + 1 else f"{line}…"


def _cut(text: str, max_chars: int) -> str:
    return text if len(text) <= max_chars else f"{text[: max_chars - 1]}…"


def _read(database: Database, locator: QuestionLocator, row: QuestionRow) -> OpenQuestion | None:
    try:
        located = locator.locate(row)
    except StoreUnavailable:
        raise
    except (StoreError, DecodingError) as error:  # this run must not hide the questions of others
        head = database.store.get_run(row.run_id)
        workflow, node = "" if head is None else head.workflow, str(row.node)
        return OpenQuestion(row.run_id, workflow, node, node, row.run_id, node, None, None, row.asked_at, error.message)
    if located is None:
        return None
    run, pause = located.run, located.pause
    return OpenQuestion(
        run.id,
        run.workflow,
        pause.pause_id,
        pause.answer_name,
        pause.asking_run_id,
        pause.name,
        pause.question,
        pause.answer_schema,
        row.asked_at,
    )
