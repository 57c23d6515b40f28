"""One pass of the reconciler: what a registry has, against what an engine and its database hold.

Level-triggered: a pass looks at what there is, and not at what has happened, so a process that is killed at any point
leaves what the next pass puts right.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any, Final

from holdwater.errors import PackageError, ReleaseNotFound, WorkflowTaken
from holdwater.model.error_report import describe_error
from holdwater.model.releases import ReleaseRow
from holdwater.model.time import add_seconds
from holdwater.packages.programs.loading import LoadedRelease
from holdwater.packages.reconciling.bounded_calls import BoundedCalls
from holdwater.packages.reconciling.engine_releases import EngineReleases
from holdwater.packages.reconciling.package_schedules import PackageSchedules
from holdwater.packages.reconciling.reconcile_result import ReconcileResult
from holdwater.packages.reconciling.registering import RegisteredRelease, Registrar
from holdwater.packages.reconciling.release_choice import choose_active, find_conflicts, retry_delay_seconds
from holdwater.packages.reconciling.release_rows import ReleaseRows
from holdwater.packages.reconciling.removed_runs import RemovedRuns
from holdwater.packages.reconciling.successors import Successors
from holdwater.packages.registries.ownership import Ownership
from holdwater.packages.registries.registry import RegistryEntry, RegistryListing, RejectedArchive

logger = logging.getLogger("holdwater.packages")

MAX_PACKAGES_PER_PASS: Final = 8
"""packages that a pass registers: what changes meanwhile is seen by the next one, which is not to wait for long"""
MAX_SHOWN_NAMES: Final = 20
"""workflows that a line of the log names"""
_MAX_ERROR_CHARS: Final = 20_000
_LATE_RUNS_US: Final = 60_000_000
"""time after the end of a release in which runs are looked for that were started meanwhile"""


@dataclass(slots=True)
class ReconcileParts:
    """The parts of a reconciler that its passes share.

    `author`: of the rows it writes.  `dirty`: packages whose schedules are to be written; None: all of them.
    `reported`: releases whose trouble was logged, and is not logged again.  `attempted`: those that this process has
    tried to register.
    """

    registrar: Registrar
    releases: EngineReleases
    schedules: PackageSchedules
    removed_runs: RemovedRuns
    calls: BoundedCalls[RegisteredRelease]
    author: str
    dirty: set[str] | None = None
    reported: set[str] = field(default_factory=set)
    attempted: set[str] = field(default_factory=set)
    ownership: Ownership = field(default_factory=Ownership)
    successors: Successors = field(default_factory=Successors)


@dataclass(slots=True)
class ReconcilePass:
    """A pass.  `tried`: releases that passes just before have tried to register, and which are not tried again.

    `rejected`: archives that have no row, with the reason.  Raises StoreUnavailable.
    """

    parts: ReconcileParts
    rows: ReleaseRows
    listing: RegistryListing
    tried: set[str] = field(default_factory=set)
    rejected: list[RejectedArchive] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)
    unloaded: list[str] = field(default_factory=list)
    is_unfinished: bool = False
    """releases that were registered make more to do: another pass is to follow at once"""
    has_more: bool = False
    """there are more to register: another pass is to follow before what there is counts as looked at"""

    def run(self) -> ReconcileResult:
        """Make what is held what is wanted."""
        began = time.monotonic()
        self.rejected = list(self.listing.rejected)
        entries = {entry.release: entry for entry in self.listing.entries}
        conflicts = find_conflicts(self.listing.entries)
        self.parts.successors.forget_others(self.listing, self.rows.rows)
        self._drain_unwanted(entries)
        self.parts.ownership.note_listed(self.listing)
        self._activate_all()  # before what follows, which takes long: what is removed starts nothing more
        self._end_drained(entries)
        self._forget_gone()
        self._take_up(entries, conflicts)
        self._register_due(entries, conflicts)
        self._write_schedules()
        self.rows.forget_old()
        failed = [(one.source, one.error) for one in self.rejected]
        failed += [
            (f"{row.package} {row.version}", row.error or "")
            for row in self.rows.rows.values()
            if row.state == "broken"
        ]
        return ReconcileResult(
            tuple(self.loaded), tuple(self.unloaded), tuple(failed), len(entries), time.monotonic() - began
        )

    def _own_rows(self) -> list[ReleaseRow]:
        """List the rows this reconciler answers for: what another one has registered is left to that."""
        wanted = {entry.release for entry in self.listing.entries}
        ownership, author = self.parts.ownership, self.parts.author
        return [row for row in self.rows.rows.values() if row.release in wanted or ownership.may_remove(row, author)]

    # -- what is wanted no more

    def _drain_unwanted(self, entries: dict[str, RegistryEntry]) -> None:
        """Drain what the registry has no more, and delete what was asked to be removed and is still there.

        The source of a row that drains is kept until its file is known to be gone: a file that comes back later is
        taken up again.
        """
        registry = self.parts.registrar.registry
        for row in self._own_rows():
            if row.state == "gone" or not registry.is_available(row.source):
                continue
            if row.release not in entries:
                if self.parts.successors.is_held_over(row, self.listing, self.rows.rows):
                    continue
                changes: dict[str, Any] = {"state": "draining", "pinned": False, "source": ""}
                if row.state != "draining":
                    changes |= {"error": None, "next_attempt_at": None}
                    self._mark_dirty(row.package)
                    logger.info("%s is removed: it starts nothing more", _name(row))
                self.rows.change(row, **changes)
            elif row.state == "draining" and row.source:
                self._mark_dirty(row.package)
                try:
                    registry.unregister(row.package, row.version)
                except (OSError, PackageError) as error:
                    self._report(row, f"it is to be removed, and its file cannot be: {error}")

    def _end_drained(self, entries: dict[str, RegistryEntry]) -> None:
        for row in self._own_rows():
            if row.state == "draining" and not row.source and row.release not in entries:
                if row.error is not None:  # removed by force
                    self.parts.removed_runs.park(row, row.error)
                if self.parts.removed_runs.are_over(row):
                    self._end(row)
            elif self._has_late_runs(row):
                self.parts.removed_runs.park(row, f"{_name(row)} was removed while this run was started")

    def _has_late_runs(self, row: ReleaseRow) -> bool:
        """Return True for a release that has just gone, and has runs of clients that did not know that yet."""
        is_recent = row.state == "gone" and self.rows.clock.now() - row.changed_at < _LATE_RUNS_US
        return is_recent and bool(self.rows.store.count_open_runs(row.release))

    def _end(self, row: ReleaseRow) -> None:
        """Remove the files of a release, and with the last one the schedules; its row says so when that is done."""
        self._mark_dirty(row.package)
        if all([one.state in ("draining", "gone") for one in self.rows.packages()[row.package]]):
            self.parts.schedules.write({row.package: None})
        self.parts.releases.unload(row.release)
        try:
            self.parts.releases.uninstall(row.release)
        except OSError as error:
            self._report(row, f"its files cannot be removed: {error}")
            return
        self.parts.reported.discard(row.release)
        if self.rows.change(row, state="gone", descriptor=None) is not None:
            self.unloaded.append(_name(row))
            logger.info("%s is gone", _name(row))

    def _report(self, row: ReleaseRow, trouble: str) -> None:
        """Log trouble with a release that is being removed, once."""
        if row.release not in self.parts.reported:
            self.parts.reported.add(row.release)
            logger.error("%s: %s", _name(row), trouble)

    def _forget_gone(self) -> None:
        """Drop what another process has ended; what this database does not know may be of another one."""
        for release in self.parts.releases.held():
            row = self.rows.rows.get(release)
            if row is None or row.state == "gone":
                self.parts.releases.unload(release)
            if row is not None and row.state == "gone":
                try:
                    self.parts.releases.uninstall(release)
                except OSError as error:
                    self._report(row, f"its files cannot be removed: {error}")

    # -- what is wanted

    def _take_up(self, entries: dict[str, RegistryEntry], conflicts: dict[str, str]) -> None:
        """Write rows of what is new, and take back what is being removed and is wanted again."""
        for release, entry in entries.items():
            row = self.rows.rows.get(release)
            if row is None:
                self._add(entry, conflicts.get(release))
            elif row.state == "gone" or (row.state == "draining" and not row.source):
                state = "registering" if row.descriptor is None else "inactive"
                by = self.parts.author
                self.rows.change(row, state=state, error=None, attempts=0, source=entry.source, registered_by=by)
                self._mark_dirty(row.package)
            elif row.state != "draining" and row.source != entry.source and row.registered_by == self.parts.author:
                self.rows.change(row, source=entry.source)

    def _add(self, entry: RegistryEntry, conflict: str | None) -> None:
        other, twin = self.rows.of_version(entry), self.rows.name_twin(entry)
        if other is not None and other.state == "gone" and conflict is None:
            self.rows.delete(other)
            other = None
        problem = conflict
        if problem is None and twin is not None:
            problem = f"the name {entry.package!r} differs from that of package {twin!r} by case alone"
        elif problem is None and other is not None:
            trial = self.parts.successors.trials.get(entry.release)
            problem = f"there is another archive of {_name(other)}, which is {other.state}; this one has other content"
            problem = trial.error if trial is not None and trial.error else problem
        if problem is None:
            self.rows.add(entry, self.parts.author)
        else:
            self.rejected.append(RejectedArchive(entry.source, problem))

    def _register_due(self, entries: dict[str, RegistryEntry], conflicts: dict[str, str]) -> None:
        """Register what is due, and activate it as soon as it is ready, whatever the others do."""
        due = {row.release: row for row in self._due_rows(entries, conflicts)}
        trials = {row.release: row for row in self._due_trials(entries, conflicts)}
        calls = {
            release: partial(self.parts.registrar.register, row)
            for release, row in (due | trials).items()
            if release not in self.tried
        }
        self.has_more = len(calls) > MAX_PACKAGES_PER_PASS
        calls = dict(islice(calls.items(), MAX_PACKAGES_PER_PASS))
        self.tried |= set(calls)
        self.parts.attempted |= set(calls)
        for release, result in self.parts.calls.run(calls):
            if release in trials:
                self._finish_trial(trials[release], entries[release], result)
                continue
            row = self.rows.rows.get(release, due[release])
            self._finish_registering(row, result)
            self._activate(row.package, self.rows.packages().get(row.package, []))

    def _due_rows(self, entries: dict[str, RegistryEntry], conflicts: dict[str, str]) -> Iterator[ReleaseRow]:
        now, loaded = self.rows.clock.now(), self.parts.releases.loaded()
        for row in self._own_rows():
            conflict = conflicts.get(row.release)
            if conflict is not None and row.state != "draining":
                self._break(row, conflict, retry=False)
            elif row.state == "broken":
                entry = entries.get(row.release)
                is_touched = entry is not None and entry.changed_at > row.changed_at
                # what a restart has changed, as the configuration, may have been the reason
                is_due = row.next_attempt_at is None or row.next_attempt_at <= now
                if is_due or is_touched or row.release not in self.parts.attempted:
                    yield row
            elif row.state == "registering" or (row.release not in loaded and row.state != "gone"):
                yield row

    def _due_trials(self, entries: dict[str, RegistryEntry], conflicts: dict[str, str]) -> Iterator[ReleaseRow]:
        """Find what was written over the file of a good release of its version: it has no row while that is held."""
        now = self.rows.clock.now()
        for release, entry in entries.items():
            other = None if release in self.rows.rows or release in conflicts else self.rows.of_version(entry)
            if other is None or other.source != entry.source or other.package != entry.package:
                continue
            if other.state in ("active", "inactive") and self.parts.successors.is_due(entry, now):
                yield ReleaseRow(release, entry.digest, entry.package, entry.version, source=entry.source)

    def _finish_trial(self, row: ReleaseRow, entry: RegistryEntry, result: RegisteredRelease | BaseException) -> None:
        if isinstance(result, ReleaseNotFound):
            return
        error = describe_error(result) if isinstance(result, BaseException) else ""
        self.parts.successors.note(row.release, error, self.rows.clock.now())
        if error:
            logger.error("%s stays as it was, what is in %s now is broken: %s", _name(row), entry.source, error)
            self.rejected = [one for one in self.rejected if one.source != entry.source]
            self.rejected.append(RejectedArchive(entry.source, error))
        else:
            self.is_unfinished = True

    def _finish_registering(self, row: ReleaseRow, result: RegisteredRelease | BaseException) -> None:
        if isinstance(result, ReleaseNotFound):  # its file has just been replaced: the next pass sees what it is
            return
        if isinstance(result, BaseException):
            self._break(row, describe_error(result), timed_out=_has_timed_out(result))
            return
        names = [definition.plan.name for definition in result.release.definitions]
        try:
            self.rows.check_workflows(row, names)
            self.parts.releases.load(result.installed, result.release)
        except WorkflowTaken as error:  # every pass looks whether the other package still has it
            self._break(row, describe_error(error), retry=False, workflows=names, descriptor=result.descriptor)
            return
        except Exception as error:  # noqa: BLE001 - whatever it is, it is an error of this package and no other's
            self._break(row, describe_error(error))
            return
        changes: dict[str, Any] = {} if result.signed_by is None else {"signed_by": result.signed_by}
        if row.state in ("registering", "broken"):
            changes |= {"state": "inactive", "error": None, "next_attempt_at": None, "attempts": 0}
        known = self.rows.change(row, workflows=names, descriptor=result.descriptor, **changes)
        if known is None:
            self.parts.releases.unload(row.release)
            return
        self._mark_dirty(row.package)
        self.is_unfinished = True  # it may replace what is held over
        self.loaded.append(_name(row))
        more = f" and {len(names) - MAX_SHOWN_NAMES:,} more" if len(names) > MAX_SHOWN_NAMES else ""
        logger.info("%s is loaded: %s%s", _name(row), ", ".join(names[:MAX_SHOWN_NAMES]) or "no workflow", more)

    def _break(
        self, row: ReleaseRow, error: str, *, retry: bool = True, timed_out: bool = False, **changes: Any
    ) -> None:
        """Note that a release cannot be registered, and when it is tried again: without `retry` in every pass."""
        error = error[-_MAX_ERROR_CHARS:]
        if row.state == "draining":
            self._report(row, f"it cannot be loaded, so its open runs do not move: {error}")
            return
        if row.state != "broken" or row.error != error:
            logger.error("%s is broken: %s", _name(row), error)
        attempts = row.attempts + 1 if retry else 0
        delay_seconds = retry_delay_seconds(attempts, timed_out=timed_out)
        next_at = add_seconds(self.rows.clock.now(), delay_seconds) if retry else None
        if row.state != "broken":
            self._mark_dirty(row.package)
        self.rows.change(row, state="broken", error=error, attempts=attempts, next_attempt_at=next_at, **changes)

    # -- which one new runs take

    def _activate_all(self) -> None:
        for package, rows in self.rows.packages().items():
            self._activate(package, rows)

    def _activate(self, package: str, rows: list[ReleaseRow]) -> None:
        """Activate the release of a package that is to be active; the new one is written before the old one."""
        loaded = self.parts.releases.loaded()
        good = [row for row in rows if row.state in ("active", "inactive") and row.release in loaded]
        chosen = choose_active(good)
        others = [row.release for row in rows if chosen is None or row.release != chosen.release]
        if chosen is None:
            self.parts.releases.deactivate(package, [release for release in others if release in loaded])
            return
        self.parts.releases.activate(package, chosen.release, replacing=others)  # first: a row that says so is true
        if chosen.state != "active" and self.rows.change(chosen, state="active") is not None:
            self._mark_dirty(package)
            logger.info("%s is active", _name(chosen))
        for row in good:
            if row.state == "active" and row.release != chosen.release:
                self.rows.change(row, state="inactive")

    # -- schedules

    def _write_schedules(self) -> None:
        loaded, dirty = self.parts.releases.loaded(), self.parts.dirty
        wanted: dict[str, LoadedRelease | None] = {}
        for package, rows in self.rows.packages().items():
            if dirty is not None and package not in dirty:
                continue
            active = next((row for row in rows if row.state == "active" and row.release in loaded), None)
            if active is not None:
                wanted[package] = loaded[active.release]
            elif all([row.state in ("draining", "gone") for row in rows]):
                wanted[package] = None
        if wanted:
            self.parts.schedules.write(wanted)
        self.parts.dirty = set()

    def _mark_dirty(self, package: str) -> None:
        if self.parts.dirty is not None:
            self.parts.dirty.add(package)


def _name(row: ReleaseRow) -> str:
    return f"{row.package} {row.version}"


def _has_timed_out(error: BaseException | None) -> bool:
    """Return True for a time-out, or an error that was raised from one."""
    while error is not None and not isinstance(error, TimeoutError):
        error = error.__cause__
    return error is not None
