"""Filters of lists of runs, as query parameters and in bodies."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, Field

from holdwater.model.records import RunFilter
from holdwater.server.models.base import GivenInstant, instant_of_query
from holdwater.server.paging import CURSOR_PATTERN

MAX_NAME_CHARS = 512
MAX_ALTERNATIVES = 50
MAX_LABELS = 32
MAX_LABEL_CHARS = 400

_STATUSES_OF_CLOACINA: Final = {"pending": "running", "scheduled": "running"}
"""words of its server for runs that have not begun, which ours do when they are recorded"""


def _to_status(term: str) -> str:
    """Take the words of Cloacina's server, in any case."""
    mark, word = ("!", term[1:]) if term.startswith("!") else ("", term)
    return mark + _STATUSES_OF_CLOACINA.get(word.lower(), word.lower())


StatusTerm = Annotated[
    str,
    BeforeValidator(lambda term: _to_status(term) if isinstance(term, str) else term),
    Field(pattern="^!?(running|paused|completed|failed|cancelled)$", examples=["failed"]),
]
Pattern = Annotated[str, Field(min_length=1, max_length=MAX_NAME_CHARS, examples=["orders*"])]
LabelTerm = Annotated[
    str, Field(pattern=r"^[A-Za-z]([A-Za-z0-9._/-]*[A-Za-z0-9])?(=[^\x00-\x1f\x7f]*)?$", max_length=MAX_LABEL_CHARS)
]


class ExecutionFilter(BaseModel, extra="forbid"):  # type: ignore[call-arg]
    """Selection of runs; unknown fields are errors.

    `status`, `workflow` (a pattern with `*`, `?` and `[...]`): any of them; with `!` before it, none of them.
    `label`: all of them; `KEY` alone is any value.  `origin`: any of them.
    `release`: runs that are pinned to it.
    `since`, `until`: started, or with `time=ended` ended, at or after and before an instant.
    `text`: the beginning or end of an id, part of an idempotency key or of an error.
    `children`: also runs that other runs have started; `parent`: only those that this one has started.
    """

    status: list[StatusTerm] = Field(default_factory=list, max_length=MAX_ALTERNATIVES)
    workflow: list[Pattern] = Field(default_factory=list, max_length=MAX_ALTERNATIVES)
    label: list[LabelTerm] = Field(default_factory=list, max_length=MAX_LABELS)
    release: str | None = Field(None, pattern="^[0-9a-f]{16}$")
    origin: list[Literal["api", "cli", "code", "cron", "trigger", "child", "fork"]] = Field(default_factory=list)
    since: GivenInstant | None = None
    until: GivenInstant | None = None
    time: Literal["started", "ended"] = "started"
    text: str | None = Field(None, min_length=1, max_length=1000)
    children: bool = False
    parent: str | None = Field(None, min_length=1, max_length=1000)

    def to_run_filter(self) -> RunFilter:
        """Create the filter of operations.  Raises RequestError."""
        statuses, excluded_statuses = _split(self.status)
        workflows, excluded_workflows = _split(self.workflow)
        since, until = instant_of_query("since", self.since), instant_of_query("until", self.until)
        span: dict[str, Any] = (
            {"ended_since": since, "ended_until": until} if self.time == "ended" else {"since": since, "until": until}
        )
        return RunFilter(
            parent_id=self.parent,
            top_level=self.parent is None and not self.children,
            statuses=statuses,
            excluded_statuses=excluded_statuses,
            workflows=workflows,
            excluded_workflows=excluded_workflows,
            labels=dict([_split_label(term) for term in self.label]),
            origins=tuple(self.origin),
            release=self.release,
            text=self.text,
            **span,
        )


class ExecutionQuery(ExecutionFilter):
    """A page of runs that match a filter.  `count`: with `counts`, by status, up to 10,000 each.

    `progress`: with the progress of each run, as far as 20,000 entries of journals tell it.
    """

    limit: int = Field(100, ge=1, le=1000)
    offset: int = Field(0, ge=0, le=10_000)
    cursor: str | None = Field(None, pattern=CURSOR_PATTERN)
    count: bool = False
    progress: bool = False


def _split(terms: list[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    wanted = tuple([term for term in terms if not term.startswith("!")])
    return wanted, tuple([term[1:] for term in terms if term.startswith("!")])


def _split_label(term: str) -> tuple[str, str | None]:
    key, equals, value = term.partition("=")
    return key, value if equals else None
