"""Time schedules as arithmetic: which instants a cron expression names, and which of them to fire.

Values in, values out: no database, no threads and no clock of its own; "now" is always an argument.  An *instant* is an
integer, microseconds since 1970-01-01 UTC.  `Cron` says when, `due` what to make of the instants since the last look,
`decide_overlap` what an unfinished run means for the next, `upcoming_fires` what daylight saving will do to it all.
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
