"""Releases of packages in a database: which there are, and requests to the processes that execute them.

A request changes the row of a release.  The reconciler of a server, a daemon or a runner carries it out: it is told.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from holdwater.errors import InvalidTransition, ReleaseBroken, ReleaseDraining, ReleaseNotFound, StoreUnavailable
from holdwater.model import validation
from holdwater.model.claim_keys import RELEASE_DIGITS
from holdwater.model.releases import ReleaseRow, ReleaseState
from holdwater.model.suggestions import did_you_mean
from holdwater.model.time import Micros
from holdwater.operations.databases import Database

MAX_OPEN_RUNS: Final = 10_000
"""open runs of a release that are counted"""
MIN_PREFIX_DIGITS: Final = 4
"""digits by which a release can be named"""
_MAX_WRITE_ATTEMPTS: Final = 20
_REGISTERED: Final = ("active", "inactive")
_REMOVED: Final = ("draining", "gone")


@dataclass(frozen=True, slots=True)
class ReleaseInfo:
    """A version of a package.  Instants are integer microseconds since the epoch.

    `release`: the first 16 hex digits of `digest`, the SHA-256 of its archive.  `workflows`: names of those that can be
    started.  `is_pinned`: it was made active by a request, and stays so when a higher version comes.  `error`: why it
    is broken, with a traceback; it is registered again at `next_attempt_at`, after `attempts` that failed.  `source`:
    the file it came from, "" for an upload.  `signed_by`: fingerprint of the key, "" without a signature.
    `open_runs`: runs of it that have not ended, paused ones included; at most `MAX_OPEN_RUNS` are counted.
    """

    release: str
    digest: str
    package: str
    version: str
    state: ReleaseState
    workflows: tuple[str, ...]
    is_pinned: bool
    error: str | None
    attempts: int
    next_attempt_at: Micros | None
    source: str
    registered_by: str
    signed_by: str
    registered_at: Micros
    changed_at: Micros
    open_runs: int

    @property
    def reference(self) -> str:
        """`PACKAGE==VERSION`: what people know it by."""
        return f"{self.package}=={self.version}"

    @property
    def can_be_activated(self) -> bool:
        """It was registered well, and is not what new runs take because of a request already."""
        return self.state in _REGISTERED and not (self.state == "active" and self.is_pinned)

    @property
    def can_be_retried(self) -> bool:
        return self.state == "broken"

    @property
    def can_be_removed(self) -> bool:
        return self.state not in _REMOVED


_Release = TypeVar("_Release", ReleaseRow, ReleaseInfo)


def list_releases(database: Database, package: str | None = None) -> tuple[ReleaseInfo, ...]:
    """List the releases by package, the newest first; `package`: those of one.  Raises StoreUnavailable."""
    rows = database.store.list_releases(package)
    rows.sort(key=lambda row: row.registered_at, reverse=True)
    rows.sort(key=lambda row: row.package)
    return tuple([_to_info(database, row) for row in rows])


def get_release(database: Database, release: str) -> ReleaseInfo:
    """Read a release by its 16 hex digits.  Raises ReleaseNotFound, InvalidArgument, StoreUnavailable."""
    return _to_info(database, _read(database, release))


def find_release(database: Database, reference: str) -> ReleaseInfo:
    """Find a release: `PACKAGE==VERSION`, the beginning of its digits, or `PACKAGE` for its active, or newest, one.

    Raises ReleaseNotFound, with what comes close; InvalidArgument, StoreUnavailable.
    """
    return _to_info(database, choose_release(database.store.list_releases(), reference))


def choose_release(rows: Sequence[_Release], reference: str) -> _Release:
    """Choose a release, as `find_release` does.  Raises ReleaseNotFound, InvalidArgument."""
    wanted = validation.check_search_text("a release", reference)
    package, _, version = wanted.partition("==")
    named = [row for row in rows if row.package == package and version in ("", row.version)]
    if not named and not version and len(wanted) >= MIN_PREFIX_DIGITS:
        named = [row for row in rows if row.release.startswith(wanted)]
        if len({row.release for row in named}) > 1:
            raise ReleaseNotFound(f"{len(named)} releases begin with {wanted!r}", hint="give more of its digits")
    if not named:
        raise _not_found(wanted, rows)
    active = [row for row in named if row.state == "active"]
    return max(active or named, key=lambda row: row.registered_at)


def activate_release(database: Database, release: str) -> ReleaseInfo:
    """Have new runs take this release from now on, whatever version comes later.  Runs keep the release they have.

    Raises ReleaseNotFound, ReleaseBroken, ReleaseDraining, InvalidTransition, StoreUnavailable.
    """
    row = _read(database, release)
    _check_registered(row)
    for other in database.store.list_releases(row.package):
        if other.pinned and other.release != row.release:
            _change(database, other.release, _unpin)

    def pin(fresh: ReleaseRow) -> None:
        _check_registered(fresh)
        fresh.pinned = True

    return _change(database, row.release, pin)


def unpin_release(database: Database, release: str) -> ReleaseInfo:
    """Let the highest version of its package be active again.  Raises ReleaseNotFound, StoreUnavailable."""
    return _change(database, release, _unpin)


def retry_release(database: Database, release: str) -> ReleaseInfo:
    """Register a broken release again at once, without waiting for the next attempt.

    Raises ReleaseNotFound, InvalidTransition if it is not broken, StoreUnavailable.
    """
    now = database.clock.now()

    def make_due(row: ReleaseRow) -> None:
        if row.state != "broken":
            raise InvalidTransition(f"release {_name(row)} is {row.state}, not broken")
        row.next_attempt_at = now

    return _change(database, release, make_due)


def remove_release(database: Database, release: str, *, force_reason: str | None = None) -> ReleaseInfo:
    """Start nothing more of a release; it is gone when its last open run has ended.  Idempotent.

    `force_reason`: do not wait for open runs, pause them for this reason; it is the `error` of the release until it is
    gone.  Its file in a watched folder is deleted.  Raises ReleaseNotFound, StoreUnavailable.
    """

    def drain(row: ReleaseRow) -> None:
        if row.state not in _REMOVED:
            row.state, row.error = "draining", None
        if row.state == "draining" and force_reason is not None:
            row.error = force_reason
        row.pinned = False

    return _change(database, release, drain)


def _unpin(row: ReleaseRow) -> None:
    row.pinned = False


def _check_registered(row: ReleaseRow) -> None:
    """Raise the error for a release that cannot be active."""
    if row.state in _REGISTERED:
        return
    if row.state == "broken":
        raise ReleaseBroken(f"release {_name(row)} is broken and cannot be active", hint="its error says why")
    if row.state in _REMOVED:
        raise ReleaseDraining(f"release {_name(row)} is being removed, or is gone", hint="add its archive again")
    raise InvalidTransition(f"release {_name(row)} is being registered", hint="it can be activated in a moment")


def _change(database: Database, release: str, change: Callable[[ReleaseRow], None]) -> ReleaseInfo:
    """Change the row of a release, again if another process was faster.  `change`: changes it in place."""
    for _ in range(_MAX_WRITE_ATTEMPTS):
        row = _read(database, release)
        change(row)
        row.changed_at = database.clock.now()
        if database.store.put_release(row):
            database.on_releases_changed()
            return _to_info(database, _read(database, release))
    raise StoreUnavailable(f"release {_name(row)} is being changed too often to be changed here")


def _read(database: Database, release: str) -> ReleaseRow:
    wanted = validation.check_search_text("a release", release)
    row = database.store.get_release(wanted) if len(wanted) == RELEASE_DIGITS else None
    if row is None:
        raise _not_found(wanted, database.store.list_releases())
    return row


def _not_found(wanted: str, rows: Sequence[ReleaseRow] | Sequence[ReleaseInfo]) -> ReleaseNotFound:
    close = did_you_mean(wanted, [*[row.package for row in rows], *[_name(row) for row in rows]])
    return ReleaseNotFound(
        f"there is no release {validation.shorten_repr(wanted)}",
        hint=close or ("`holdwater package list` lists them" if rows else "no package was added to this database"),
    )


def _name(row: ReleaseRow | ReleaseInfo) -> str:
    return f"{row.package}=={row.version}"


def _to_info(database: Database, row: ReleaseRow) -> ReleaseInfo:
    return ReleaseInfo(
        release=row.release,
        digest=row.digest,
        package=row.package,
        version=row.version,
        state=row.state,
        workflows=tuple(row.workflows),
        is_pinned=row.pinned,
        error=row.error,
        attempts=row.attempts,
        next_attempt_at=row.next_attempt_at,
        source=row.source,
        registered_by=row.registered_by,
        signed_by=row.signed_by,
        registered_at=row.registered_at,
        changed_at=row.changed_at,
        open_runs=0 if row.state in ("broken", "gone") else database.store.count_open_runs(row.release),
    )
