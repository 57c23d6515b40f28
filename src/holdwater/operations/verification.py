"""Checking a database against the invariants of the engine."""

from __future__ import annotations

from collections.abc import Callable
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


def verify_database(database: Database, on_violation: Callable[[Violation], None]) -> VerifyReport:
    """Check every run, the oldest first; `on_violation` is called with each violation as it is found.

    Changes nothing, and may run beside runners.  Raises StoreUnavailable.
    """
    checker = StoreChecker(database.store, database.clock.now)
    for violation in checker.find_violations():
        on_violation(violation)
    return VerifyReport(**asdict(checker.counts))
