"""Files that were replaced: what was in one of them stays until what is in it now has registered well.

A broken archive never replaces a good one, also where it is written over its file.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from holdwater.model.releases import ReleaseRow
from holdwater.model.time import UNSET, Micros, add_seconds
from holdwater.packages.reconciling.release_choice import retry_delay_seconds
from holdwater.packages.registries.registry import RegistryEntry, RegistryListing


@dataclass(slots=True)
class Trial:
    """Attempts to register other content of a version that is still held.  `error`: "" for one that is good."""

    attempts: int = 0
    next_attempt_at: Micros = UNSET
    error: str = ""

    @property
    def is_good(self) -> bool:
        return self.attempts > 0 and not self.error


@dataclass(slots=True)
class Successors:
    """The releases that are in the files of others.  `trials`: by release."""

    trials: dict[str, Trial] = field(default_factory=dict)

    def is_held_over(self, row: ReleaseRow, listing: RegistryListing, rows: dict[str, ReleaseRow]) -> bool:
        """Return True for a good release whose file has something else now that has not registered well."""
        if row.state not in ("active", "inactive") or not row.source:
            return False
        if any([one.source == row.source for one in listing.rejected]):
            return True
        return any(
            [
                one.source == row.source and one.release != row.release and not self._is_good(one, rows)
                for one in listing.entries
            ]
        )

    def _is_good(self, entry: RegistryEntry, rows: dict[str, ReleaseRow]) -> bool:
        row = rows.get(entry.release)
        if row is not None and row.state != "gone":
            return row.state in ("active", "inactive")
        trial = self.trials.get(entry.release)
        return trial is not None and trial.is_good

    def is_due(self, entry: RegistryEntry, now: Micros) -> bool:
        """Return True if the content of an entry is to be tried now."""
        trial = self.trials.get(entry.release)
        return trial is None or (not trial.is_good and trial.next_attempt_at <= now)

    def note(self, release: str, error: str, now: Micros) -> None:
        """Note the outcome of an attempt."""
        trial = self.trials.setdefault(release, Trial())
        trial.attempts, trial.error = trial.attempts + 1, error
        trial.next_attempt_at = add_seconds(now, retry_delay_seconds(trial.attempts))

    def forget_others(self, listing: RegistryListing, rows: dict[str, ReleaseRow]) -> None:
        """Forget trials of what is not there any more, or has a row by now."""
        known = {one.release for one in listing.entries}
        self.trials = {
            release: trial for release, trial in self.trials.items() if release in known and release not in rows
        }
