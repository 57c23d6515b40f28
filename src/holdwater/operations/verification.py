"""Checking a database against the invariants of the engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

from holdwater.operations.databases import Database
from holdwater.runs.verify.checker import StoreChecker, Violation


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """Counts of a check.

    `unstable`: runs that changed during every attempt to read them, and were not checked.  `violations`: all of them;
    of one run at most 20 are reported, with the number of the others.
    """

    runs: int
    entries: int
    work: int
    violations: int
    unstable: int


class Verification:
    """A check of a database that goes on: `report` tells how far it has come.  Used by one thread, read by any."""

    def __init__(self, database: Database) -> None:
        self._checker = StoreChecker(database.store, database.clock.now)

    @property
    def report(self) -> VerifyReport:
        """The counts so far."""
        return VerifyReport(**asdict(self._checker.counts))

    def find_violations(self) -> Iterator[Violation]:
        """Check every run, the oldest first, and yield violations as they are found.  Raises StoreUnavailable."""
        return self._checker.find_violations()


def verify_database(database: Database, on_violation: Callable[[Violation], None]) -> VerifyReport:
    """Check every run, the oldest first; `on_violation` is called with each violation as it is found.

    Changes nothing, and may run beside runners.  Raises StoreUnavailable.
    """
    verification = Verification(database)
    for violation in verification.find_violations():
        on_violation(violation)
    return verification.report
