"""The audit log: every change that was asked for, by which key, on what, and what came of it; refusals too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from holdwater.model.time import Micros
from holdwater.server.control import statements as sql
from holdwater.server.control.outcome_writer import OutcomeRow, OutcomeWriter
from holdwater.service.logs import redact

if TYPE_CHECKING:  # the driver of PostgreSQL: applications of one database work without it
    from holdwater.server.control.database import ControlDatabase
    from holdwater.storage.postgres.pipeline import PostgresConnection

Outcome = Literal["asked", "done", "refused", "failed"]
"""`asked`: it is under way, or the server died meanwhile"""
KEPT_DAYS: Final = 400
NEWEST: Final = (1 << 63) - 1
"""a place behind every row"""
MAX_TARGET_CHARS: Final = 500
MAX_VERB_ROWS: Final = 10_000
"""newest rows whose verbs are listed"""
_DAY_US: Final = 86_400_000_000
_PRUNED_ROWS: Final = 1000
"""of one transaction"""


@dataclass(frozen=True, slots=True)
class AuditFacts:
    """The author of a request, `key:ID`, its id, and the address it came from."""

    by: str
    request_id: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True)
class AuditRow:
    """A row of the log.  `tenant`: None for the server itself.  `code`: of the error."""

    number: int
    at: Micros
    by: str
    tenant: str | None
    verb: str
    target: str
    outcome: Outcome
    code: str
    request_id: str
    address: str


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Selection of rows; None: any.

    `author`: `key:ID`, the id of a key or its name, or `unknown`.  `since`: rows of this instant and later.
    """

    verb: str | None = None
    outcome: Outcome | None = None
    author: str | None = None
    since: Micros | None = None


EVERYTHING: Final = AuditFilter()


class AuditLog:
    """The table of the audit log."""

    def __init__(self, control: ControlDatabase) -> None:
        self._control = control
        self._outcomes: Final = OutcomeWriter(self._write_outcomes)

    def record(
        self,
        connection: PostgresConnection,
        facts: AuditFacts,
        verb: str,
        tenant: str | None,
        target: str,
        outcome: Outcome = "done",
        code: str = "",
    ) -> int:
        """Add a row in a transaction of the caller's, so that it is there if the change is; returns its number."""
        row = self._new_row(facts, verb, tenant, target, outcome, code)
        ((number,),) = connection.execute(sql.INSERT_AUDIT, row).fetchall()
        return int(number)

    def _new_row(
        self, facts: AuditFacts, verb: str, tenant: str | None, target: str, outcome: Outcome, code: str
    ) -> tuple[object, ...]:
        now = self._control.clock.now()
        shown = redact(target)[:MAX_TARGET_CHARS]  # a caller may have put a key into a path
        return (now, facts.by, tenant, verb, shown, outcome, code, facts.request_id, facts.address)

    def add(
        self, facts: AuditFacts, verb: str, tenant: str | None, target: str, outcome: Outcome = "asked", code: str = ""
    ) -> int:
        """Add a row by itself, before what it is about is committed; returns its number.  Raises StoreUnavailable."""
        row = self._new_row(facts, verb, tenant, target, outcome, code)
        ((number,),) = self._control.select(sql.INSERT_AUDIT_ASKED, row)
        return int(number)

    def set_outcome_soon(self, number: int, outcome: Outcome, code: str = "") -> None:
        """Set what came of a request.  Does not block; readers may find `asked` for a moment more."""
        self._outcomes.put((number, outcome, code))

    def _write_outcomes(self, rows: Sequence[OutcomeRow]) -> None:
        numbers, outcomes, codes = zip(*rows, strict=True)
        self._control.execute(sql.SET_AUDIT_OUTCOMES, (list(numbers), list(outcomes), list(codes)))

    def close(self) -> None:
        """Write the outcomes that wait.  Idempotent."""
        self._outcomes.close()

    def list(
        self,
        tenant: str | None = None,
        which: AuditFilter = EVERYTHING,
        *,
        limit: int = 100,
        before: int = NEWEST,
    ) -> list[AuditRow]:
        """List rows, the newest first.  `tenant`: None for all.  `before`: the number of the last row of a page.

        Raises StoreUnavailable.
        """
        wanted = (tenant, before, which.verb, which.outcome, which.since, which.author, limit)
        return [AuditRow(*row) for row in self._control.select(sql.LIST_AUDIT, wanted)]

    def verbs(self, tenant: str | None = None) -> Sequence[str]:
        """List the verbs of the newest `MAX_VERB_ROWS` rows, by name.  Raises StoreUnavailable."""
        return [verb for (verb,) in self._control.select(sql.LIST_AUDIT_VERBS, (tenant, MAX_VERB_ROWS))]

    def prune(self) -> int:
        """Delete rows that are older than `KEPT_DAYS`; returns their number.  Raises StoreUnavailable."""
        before = Micros(self._control.clock.now() - KEPT_DAYS * _DAY_US)
        total = 0
        while deleted := self._control.execute(sql.PRUNE_AUDIT, (before, _PRUNED_ROWS)):
            total += deleted
        return total
