"""Time schedules as pure functions: the instants of a cron expression, and the decision which of them to fire.

No database, no threads and no clock; "now" is always an argument.  An *instant* is an integer, microseconds since
1970-01-01 UTC.  `Cron` computes instants, `decide_due` selects those to fire since the last check, `decide_overlap`
handles runs that are still unfinished, `upcoming_fires` forecasts fires and the effects of daylight saving time.
"""

from holdwater.schedules.catchup import (
    CatchUp,
    DueDecision,
    Overlap,
    OverlapDecision,
    SchedulePolicy,
    decide_due,
    decide_overlap,
    jittered_fire_time,
)
from holdwater.schedules.cron import Cron
from holdwater.schedules.durations import parse_duration_us
from holdwater.schedules.forecast import UpcomingFire, upcoming_fires

__all__ = [
    "CatchUp",
    "Cron",
    "DueDecision",
    "Overlap",
    "OverlapDecision",
    "SchedulePolicy",
    "UpcomingFire",
    "decide_due",
    "decide_overlap",
    "jittered_fire_time",
    "parse_duration_us",
    "upcoming_fires",
]  # fmt: skip
