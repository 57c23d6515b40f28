"""Reading the schedules and triggers of a database, and their history."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, TypeVar

from holdwater.errors import ScheduleError, ScheduleNotFound
from holdwater.model import validation
from holdwater.model.ports.store import Store
from holdwater.model.schedules import ScheduleKind, ScheduleRow
from holdwater.model.suggestions import did_you_mean, suggest
from holdwater.model.time import Micros, from_datetime, from_rfc3339
from holdwater.operations.databases import Database
from holdwater.operations.schedule_views import FireInfo, FireStats, ScheduleInfo
from holdwater.runtime.config import ScheduleConfig

Instant = datetime | str
DEFAULT_CONFIG: Final = ScheduleConfig()
DEFAULT_PAGE_SIZE: Final = 100
LOST_AFTER_US: Final = 600_000_000
MAX_SUGGESTIONS: Final = 3
_ALL: Final = 1 << 31
_Schedule = TypeVar("_Schedule", ScheduleRow, ScheduleInfo)


def get_schedule(
    database: Database, schedule_id: str, kind: ScheduleKind | None = None, *, config: ScheduleConfig = DEFAULT_CONFIG
) -> ScheduleInfo:
    """Read a schedule by id.  Raises ScheduleNotFound, StoreUnavailable."""
    return ScheduleInfo.from_row(read_schedule(database.store, schedule_id, kind), config)


def get_trigger(database: Database, name: str) -> ScheduleInfo:
    """Read a trigger by name.  Raises ScheduleNotFound, ScheduleError, StoreUnavailable."""
    return ScheduleInfo.from_row(read_trigger(database.store, name), DEFAULT_CONFIG)


def find_schedule(database: Database, reference: str, *, config: ScheduleConfig = DEFAULT_CONFIG) -> ScheduleInfo:
    """Find a schedule or trigger by its name, or by the beginning of its id.

    Raises ScheduleNotFound, ScheduleError if there are several, StoreUnavailable.
    """
    rows = database.store.list_schedules(None, limit=_ALL)
    return ScheduleInfo.from_row(choose_schedule(rows, reference), config)


def choose_schedule(schedules: Iterable[_Schedule], reference: str) -> _Schedule:
    """Choose the schedule of a name, or of the beginning of an id.

    Raises ScheduleNotFound, ScheduleError if there are several.
    """
    known = list(schedules)
    found = [one for one in known if one.name == reference]
    found = found or [one for one in known if reference and one.id.startswith(reference)]
    if not found:
        hint = (
            _suggest_schedule(reference, [one.name for one in known if one.name])
            or "`holdwater schedules list` shows them"
        )
        raise ScheduleNotFound(f"there is no schedule {reference!r}", hint=hint)
    if len(found) > 1:
        raise ScheduleError(f"several schedules begin with {reference!r}", hint="give more of the id")
    return found[0]


def _suggest_schedule(reference: str, names: Sequence[str]) -> str:
    """Suggest schedules of packages by the name they have there (`nightly` is `orders/nightly`), or similar names."""
    in_packages = [name for name in names if reference and name.endswith(f"/{reference}")]
    return suggest(in_packages[:MAX_SUGGESTIONS]) or did_you_mean(reference, names)


def list_schedules(
    database: Database,
    kind: ScheduleKind | None = None,
    *,
    enabled_only: bool | None = None,
    limit: int | None = None,
    offset: int | None = None,
    config: ScheduleConfig = DEFAULT_CONFIG,
) -> tuple[ScheduleInfo, ...]:
    """Schedules and triggers, the oldest first; 100 unless `limit` says otherwise.

    Raises ScheduleError for a page that cannot be, StoreUnavailable.
    """
    limit, offset = _check_page(limit, offset)
    rows = database.store.list_schedules(kind, enabled_only=bool(enabled_only), limit=limit, offset=offset)
    return tuple([ScheduleInfo.from_row(row, config) for row in rows])


def list_fires(
    database: Database, schedule_id: str, *, limit: int | None = None, offset: int | None = None
) -> tuple[FireInfo, ...]:
    """List the fires of a schedule, newest first; `limit` defaults to 100.

    Raises ScheduleError for a page that cannot be, StoreUnavailable.
    """
    return tuple(
        [FireInfo.from_fired(fired) for fired in database.store.list_fires(schedule_id, *_check_page(limit, offset))]
    )


def count_fires(database: Database, since: Instant, *, lost_after_us: int = LOST_AFTER_US) -> FireStats:
    """Count the fires of all cron schedules since an instant.  Raises ScheduleError, StoreUnavailable."""
    lost_before = Micros(database.clock.now() - lost_after_us)
    return FireStats.from_counts(database.store.count_fires(parse_instant(since), lost_before))


def read_schedule(store: Store, schedule_id: str, kind: ScheduleKind | None = None) -> ScheduleRow:
    """Read the row of a schedule.  Raises ScheduleNotFound, StoreUnavailable."""
    try:
        found = store.get_schedule(str(uuid.UUID(schedule_id)))
    except (ValueError, AttributeError, TypeError):
        raise ScheduleNotFound(
            f"Invalid schedule ID {validation.shorten_repr(schedule_id)}: it is not a UUID",
            hint="list_cron_schedules() has the ids",
        ) from None
    if found is None or kind not in (None, found.kind):
        raise ScheduleNotFound(f"there is no schedule {validation.shorten_repr(schedule_id)} in {store.url}")
    return found


def read_trigger(store: Store, name: str) -> ScheduleRow:
    """Read the row of a trigger.  Raises ScheduleNotFound, ScheduleError, StoreUnavailable."""
    validation.check_text("the name of a trigger", name, max_bytes=validation.MAX_NAME_BYTES, error_class=ScheduleError)
    found = store.schedule_by_name("trigger", name)
    if found is None:
        raise ScheduleNotFound(f"there is no trigger {name!r} in {store.url}")
    return found


def parse_instant(value: Instant) -> Micros:
    """Convert a datetime, or its text (ISO 8601, RFC 3339), to microseconds since the epoch; naive ones are local time.

    Raises ScheduleError.
    """
    try:
        return from_rfc3339(value) if isinstance(value, str) else from_datetime(value)
    except (ValueError, AttributeError, OverflowError, OSError) as error:
        raise ScheduleError(
            f"Invalid datetime format: {validation.shorten_repr(value)} is not a datetime ({str(error)[:200]})",
            hint="write 2026-11-21T05:00:00Z, or give a datetime",
        ) from None


def _check_page(limit: int | None, offset: int | None) -> tuple[int, int]:
    for name, value in (("limit", limit), ("offset", offset)):
        if value is not None:
            validation.check_count(name, value, error_class=ScheduleError)
    return DEFAULT_PAGE_SIZE if limit is None else limit, offset or 0
