"""Time schedules as arithmetic: which instants a cron expression names, and which of them to fire.

Values in, values out: no database, no threads and no clock of its own; "now" is always an argument.  An *instant* is an
integer, microseconds since 1970-01-01 UTC.  `Cron` says when, `due` what to make of the instants since the last look,
`decide_overlap` what an unfinished run means for the next, `coming` what daylight saving will do to it all.
"""

from holdwater.schedules.catchup import CatchUp, Due, Overlap, Rules, Verdict, decide_overlap, due, fire_at
from holdwater.schedules.cron import Cron
from holdwater.schedules.durations import microseconds
from holdwater.schedules.forecast import Fire, coming

__all__ = [
    "CatchUp", "Cron", "Due", "Fire", "Overlap", "Rules", "Verdict",
    "coming", "decide_overlap", "due", "fire_at", "microseconds",
]  # fmt: skip
