"""Cron expressions in words, with their next fires; nothing is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from holdwater.errors import ScheduleError
from holdwater.model.time import Micros
from holdwater.operations.schedule_views import ScheduleInfo
from holdwater.schedules import Cron, UpcomingFire, upcoming_fires
from holdwater.schedules.zones import known_zones, load_zone

DEFAULT_FIRES: Final = 10


@dataclass(frozen=True, slots=True)
class CronForecast:
    """A cron expression.  `words`: "At 02:00 every day".  `fires`: the next ones."""

    words: str
    fires: tuple[UpcomingFire, ...]


def forecast_cron(
    expression: str, timezone: str, after: Micros, *, until: Micros | None = None, count: int = DEFAULT_FIRES
) -> CronForecast:
    """Forecast the fires in (after, until) of an expression in an IANA time zone.  Raises ScheduleError."""
    cron = Cron(expression, timezone)
    fires = upcoming_fires(cron, after, count)
    return CronForecast(cron.explain(), tuple([fire for fire in fires if until is None or fire.at < until]))


def forecast_schedule(schedule: ScheduleInfo, after: Micros, *, count: int = DEFAULT_FIRES) -> CronForecast:
    """Forecast the fires of a schedule after an instant, within its start and its end, as if it were enabled.

    Raises ScheduleError for a trigger: it is polled.
    """
    if schedule.kind != "cron":
        raise ScheduleError(f"{schedule.name!r} is a trigger: it is polled, and has no fire times")
    if schedule.start_at is not None:
        after = max(after, Micros(schedule.start_at - 1))
    return forecast_cron(schedule.expression, schedule.timezone, after, until=schedule.end_at, count=count)


def check_timezone(name: str) -> None:
    """Check the IANA name of a time zone.  Raises ScheduleError."""
    load_zone(name)


def list_timezones() -> list[str]:
    """List the IANA names of the time zones this machine has data for, sorted."""
    return sorted(known_zones())
