"""Selection of the instants to fire: catch-up of missed ones, jitter, start and end of a schedule, overlapping runs.

The scheduler stores one number per schedule, the instant up to which everything is decided.  It calls `decide_due` with
that number and now, stores the fires and `decided_until`, and calls again at `next_check_at`.  The result depends on
the arguments alone, on any machine.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, get_args

from holdwater.errors import ScheduleError
from holdwater.model.time import Micros
from holdwater.schedules.cron import MICROS_PER_SECOND, Cron

CatchUp = Literal["skip", "run_once", "run_all"]
Overlap = Literal["allow", "skip", "queue"]
MAX_INSTANTS_PER_CALL: Final = 1000
"""Maximum of instants in one decision; the rest of an unlimited catch-up follows with the next call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulePolicy:
    """The options of a schedule.  Durations are seconds, instants microseconds since 1970-01-01 UTC.

    `catchup`, for the instants that have passed since the last check:
      "skip"      fire the latest if it was due less than `misfire_grace_seconds` ago, and no other;
      "run_once"  fire the latest, however old;
      "run_all"   fire all, oldest first; with `max_catchup` only the latest so many, because after a long stop the
                  newest matter most.
      None means "run_all" if `max_catchup` is set, otherwise "skip".
    `jitter_seconds`: each instant is fired up to so much later, but before the next one.  `start_at`: the first
    instant that may fire; `end_at`: the first that may not.
    """

    catchup: CatchUp | None = None
    max_catchup: int | None = None
    misfire_grace_seconds: float = 3600
    jitter_seconds: float = 0
    start_at: Micros | None = None
    end_at: Micros | None = None
    overlap: Overlap = "allow"

    def __post_init__(self) -> None:
        for name, value, choices in (("catchup", self.catchup, CatchUp), ("overlap", self.overlap, Overlap)):
            if value not in get_args(choices) and not (name == "catchup" and value is None):
                raise ScheduleError(f"{name} is one of {', '.join(get_args(choices))}, not {value!r}")
        if self.max_catchup is not None and (isinstance(self.max_catchup, bool) or self.max_catchup < 1):
            raise ScheduleError(f"max_catchup is a number of runs, 1 or more, not {self.max_catchup!r}")
        if not 0 < self.misfire_grace_seconds < float("inf"):
            raise ScheduleError(f"misfire_grace_seconds is more than 0 and finite, not {self.misfire_grace_seconds!r}")
        if not 0 <= self.jitter_seconds < float("inf"):
            raise ScheduleError(f"jitter_seconds is 0 or more and finite, not {self.jitter_seconds!r}")
        if self.start_at is not None and self.end_at is not None and self.start_at >= self.end_at:
            raise ScheduleError("a schedule must start before it ends")

    @property
    def effective_catchup(self) -> CatchUp:
        """The catch-up policy with the default of None resolved."""
        return self.catchup or ("skip" if self.max_catchup is None else "run_all")


class DueDecision(NamedTuple):
    """The decision about the instants of a schedule up to now."""

    fire_times: tuple[Micros, ...]
    """The instants to fire now, ascending."""
    skipped: tuple[Micros, Micros] | None
    """The first and the last instant that will not be fired, to be recorded as one range."""
    reason: str
    """The reason for the skipped instants."""
    decided_until: Micros
    """The instant up to which everything is decided: `since` of the next call."""
    next_check_at: Micros | None
    """The instant of the next call: in the past if more is due already, None for never."""


def decide_due(cron: Cron, schedule_id: str, since: Micros, now: Micros, rules: SchedulePolicy) -> DueDecision:
    """Decide about the instants due now that come after `since`: the last one decided, or the schedule's creation.

    If the clock was set back to before `since` there are none: no instant is decided twice.
    """
    start = since if rules.start_at is None else max(since, Micros(rules.start_at - 1))
    until = now if rules.end_at is None else min(now, Micros(rules.end_at - 1))
    last = cron.at_or_before(until)
    if last is not None and last > start and jittered_fire_time(cron, schedule_id, last, rules) > now:
        last = cron.previous_before(last)  # its jitter has not passed yet; that of the one before it has
    if last is None or last <= start:
        return DueDecision((), None, "", since, _next_check(cron, schedule_id, start, rules))
    fire: tuple[Micros, ...] = (last,)
    reason, settled = "", last
    if rules.effective_catchup == "skip":
        reason = "a later instant was due as well: only the latest is fired"
        if now - jittered_fire_time(cron, schedule_id, last, rules) >= rules.misfire_grace_seconds * MICROS_PER_SECOND:
            fire, reason = (), f"missed by {rules.misfire_grace_seconds:g} s or more"
    elif rules.effective_catchup == "run_once":
        reason = "a later instant was due as well: all that were missed are made up for by one run"
    elif rules.max_catchup is None:
        fire = cron.between(start, last, MAX_INSTANTS_PER_CALL)
        settled = fire[-1]
    else:
        fire = cron.between(start, last, rules.max_catchup, latest=True)
        reason = f"more than {rules.max_catchup} were missed: the latest are made up for"
    first = cron.next_after(start)
    assert first is not None  # at least `last`
    lost = cron.previous_before(fire[0]) if fire else last
    passed_over = None if lost is None or lost < first else (first, lost)
    return DueDecision(
        fire, passed_over, reason if passed_over else "", settled, _next_check(cron, schedule_id, settled, rules)
    )


def jittered_fire_time(cron: Cron, schedule_id: str, instant: Micros, rules: SchedulePolicy) -> Micros:
    """Add the jitter to an instant: a hash of schedule and instant, bounded to end before the next instant."""
    if not rules.jitter_seconds:
        return instant
    following = cron.next_after(instant)
    room = (
        rules.jitter_seconds * MICROS_PER_SECOND
        if following is None
        else min(rules.jitter_seconds * MICROS_PER_SECOND, following - instant)
    )
    digest = hashlib.blake2b(f"{schedule_id}\0{instant}".encode(), digest_size=6).digest()
    return Micros(instant + int(room * (int.from_bytes(digest) / (1 << 48))))


def _next_check(cron: Cron, schedule_id: str, settled: Micros, rules: SchedulePolicy) -> Micros | None:
    following = cron.next_after(settled)
    if following is None or (rules.end_at is not None and following >= rules.end_at):
        return None
    return jittered_fire_time(cron, schedule_id, following, rules)


class OverlapDecision(NamedTuple):
    """The decision if a fire becomes a run now, later or never, with the reason if not now."""

    action: Literal["start", "skip", "queue"]
    reason: str = ""


def decide_overlap(policy: Overlap, unfinished: int) -> OverlapDecision:
    """Decide about a fire while `unfinished` runs of its schedule, queued ones included, are unfinished.

    Several instants fired at once are decided one by one: a run started for one counts as unfinished for the next.
    """
    if policy == "allow" or unfinished <= 0:
        return OverlapDecision("start")
    return OverlapDecision(policy, f"{unfinished} run{'s' * (unfinished != 1)} of this schedule not finished")
