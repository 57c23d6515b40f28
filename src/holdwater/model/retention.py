"""Retention: a rule that says which ended runs a database keeps, and for how long."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from holdwater.errors import InvalidArgument
from holdwater.model import validation
from holdwater.model.provenance import MAX_LABELS, check_label_key, check_label_value
from holdwater.model.records import EndedRun
from holdwater.model.time import Micros

RETENTION_SETTING: Final = "retention"
"""name of the setting that holds the rule of a database"""
MAX_DAYS: Final = 36_500.0
DAY_US: Final = 86_400_000_000


@dataclass(frozen=True, slots=True)
class RetentionRule:
    """Which ended runs are deleted, with their children.

    `days`: age of their ends; None: they are kept.  `days_failed`: that of failed runs; None: as the others.
    `keep_labels`: runs with any of these labels are kept: `KEY` with any value, or `KEY=VALUE`.
    `logs_days`: age at which the logs of ended runs are deleted, before the runs; None: they go with their runs.
    """

    days: float | None = None
    days_failed: float | None = None
    keep_labels: tuple[str, ...] = ()
    logs_days: float | None = None

    @property
    def is_empty(self) -> bool:
        """Nothing is ever deleted."""
        return self.days is None and self.days_failed is None and self.logs_days is None

    def check(self) -> RetentionRule:
        """Check what a caller has given.  Raises InvalidArgument."""
        for name in ("days", "days_failed", "logs_days"):
            value = getattr(self, name)
            if value is not None:
                validation.check_seconds(
                    name, value, positive=False, maximum=MAX_DAYS, error_class=InvalidArgument, unit="days"
                )
        shortest = min([days for days in (self.days, self.days_failed) if days is not None], default=None)
        if self.logs_days is not None and shortest is not None and self.logs_days > shortest:
            raise InvalidArgument(
                f"logs_days is {self.logs_days:g}, but runs are deleted after {shortest:g} days",
                hint="logs go with their runs: give a smaller number, or none",
            )
        if len(self.keep_labels) > MAX_LABELS:
            raise InvalidArgument(f"keep_labels has at most {MAX_LABELS} labels, not {len(self.keep_labels):,}")
        for label in self.keep_labels:
            key, equals, value = label.partition("=")
            check_label_key(key)
            if equals:
                check_label_value(key, value)
        return self

    def to_data(self) -> dict[str, Any]:
        """Return the rule as JSON data."""
        return {**asdict(self), "keep_labels": list(self.keep_labels)}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> RetentionRule:
        """Read what `to_data` has written, by this version or a later one."""
        return cls(data.get("days"), data.get("days_failed"), tuple(data.get("keep_labels", ())), data.get("logs_days"))

    def ended_before(self, now: Micros) -> Micros | None:
        """Return the instant before which runs have ended that may be deleted, None if none is."""
        ages = [days for days in (self.days, self.days_failed) if days is not None]
        return _before(now, min(ages)) if ages else None

    def logs_before(self, now: Micros) -> Micros | None:
        """Return the instant before which runs have ended whose logs are deleted, None if those of none are."""
        return None if self.logs_days is None else _before(now, self.logs_days)

    def spares(self, now: Micros) -> Callable[[EndedRun], bool]:
        """Return a function that says of a run that ended before `ended_before` whether it is kept all the same."""
        failed_days = self.days if self.days_failed is None else self.days_failed
        limits = {True: failed_days, False: self.days}
        befores = {failed: None if days is None else _before(now, days) for failed, days in limits.items()}
        kept = [label.partition("=") for label in self.keep_labels]

        def is_spared(run: EndedRun) -> bool:
            before = befores[run.status == "failed"]
            if before is None or run.finished_at >= before:
                return True
            labels = run.labels if kept else {}
            return any([key in labels and (not equals or labels[key] == value) for key, equals, value in kept])

        return is_spared


def _before(now: Micros, days: float) -> Micros:
    return Micros(now - int(days * DAY_US))
