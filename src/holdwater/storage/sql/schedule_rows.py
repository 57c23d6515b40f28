"""Conversion between schedules and rows; the order of values is that of the statement's file."""

from __future__ import annotations

from holdwater.model.schedules import FireRow, FireWithRun, ScheduleRow
from holdwater.storage.sql.rows import Row
from holdwater.storage.sql.text_escaping import escape_text


def schedule_insert_row(s: ScheduleRow) -> Row:
    return _escape_row(
        s.id, s.kind, s.name, s.workflow, s.expression, s.timezone, s.inputs, int(s.enabled), s.catchup, s.max_catchup,
        s.misfire_grace_us, s.overlap, s.jitter_us, s.start_at, s.end_at, s.poll_us, int(s.allow_concurrent),
        s.created_at, s.updated_at, s.settled_at, s.last_at, s.next_at, s.last_error, s.version + 1,
    )  # fmt: skip


def schedule_update_row(s: ScheduleRow) -> Row:
    return _escape_row(
        s.name, s.workflow, s.expression, s.timezone, s.inputs, int(s.enabled), s.catchup, s.max_catchup,
        s.misfire_grace_us, s.overlap, s.jitter_us, s.start_at, s.end_at, s.poll_us, int(s.allow_concurrent),
        s.updated_at, s.settled_at, s.last_at, s.next_at, s.last_error, s.id, s.version,
    )  # fmt: skip


def schedule_advance_row(s: ScheduleRow) -> Row:
    return _escape_row(s.settled_at, s.last_at, s.next_at, s.last_error, s.id, s.version)


def parse_schedule_row(row: Row) -> ScheduleRow:
    made = ScheduleRow(*row)
    made.enabled, made.allow_concurrent = made.enabled == 1, made.allow_concurrent == 1
    return made


def fire_row(f: FireRow) -> Row:
    return _escape_row(
        f.schedule_id, f.scheduled_at, f.state, f.claimed_at, f.run_id, f.reason, f.context_hash, f.attempts, f.phase
    )


def parse_fired_row(row: Row) -> FireWithRun:
    return FireWithRun(FireRow(*row[:8]), *row[8:])


def _escape_row(*values: object) -> Row:
    """Escape the texts of a row, which may contain messages of user exceptions."""
    return tuple([escape_text(value, escape_nul=True) for value in values])
