"""The database itself: versions of its schema, rights, clock, disk and connections."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from holdwater.model.duration_text import format_duration
from holdwater.model.inspection import StoreInspection
from holdwater.model.time import monotonic_now, wall_now
from holdwater.operations.databases import Database
from holdwater.operations.doctor.findings import Finding

MAX_CLOCK_OFFSET_SECONDS: Final = 5.0
MIN_FREE_BYTES: Final = 1_000_000_000
MAX_CONNECTION_SHARE: Final = 0.9
"""of the connections that the server allows"""


def database_findings(database: Database) -> Iterator[Finding]:
    """Find out how a database is.  Raises StoreUnavailable."""
    inspection = database.store.inspect()
    yield schema_finding(inspection)
    yield writable_finding(inspection)
    yield clock_finding(database)
    yield from _size_findings(inspection)
    yield from _connection_findings(inspection)


def schema_finding(inspection: StoreInspection) -> Finding:
    """Compare the schema with that of this version."""
    facts = {
        "migrations": [f"{number:04d}_{phase}_{name}" for number, phase, name in inspection.migrations],
        "pending": [f"{number:04d}_{phase}_{name}" for number, phase, name in inspection.pending],
        "unknown": [f"{number:04d}_{phase}_{name}" for number, phase, name in inspection.unknown],
    }
    if inspection.pending:
        said = ", ".join(facts["pending"])
        return Finding(
            "schema_outdated",
            "problem",
            f"The schema is that of an older version; the next runner of this version brings it up to date: {said}.",
            facts,
            ("migrate",),
        )
    if inspection.unknown:
        said = ", ".join(facts["unknown"])
        return Finding("schema_newer", "warning", f"A newer version has changed the schema: {said}.", facts)
    return Finding("schema", "ok", f"{inspection.engine}; the schema is up to date.", facts)


def writable_finding(inspection: StoreInspection) -> Finding:
    """Find out if this process may change the database."""
    if inspection.is_writable:
        return Finding("writable", "ok", "The database can be written.")
    return Finding(
        "read_only",
        "problem",
        "The database cannot be written by this process: runs cannot be started, executed or steered from here.  Check"
        " the rights of this user to the file and its directory, or of the role to the tables.",
    )


def clock_finding(database: Database) -> Finding:
    """Compare the clock of the database server with that of this machine."""
    sample = database.store.sample_clock()
    if sample is None:
        return Finding("clock", "ok", "The clock is that of this machine.")
    offset_seconds = (sample.offset_us + monotonic_now() - wall_now()) / 1e6
    facts = {"offset_seconds": round(offset_seconds, 3), "round_trip_seconds": round(sample.round_trip_us / 1e6, 4)}
    said = f"{format_duration(abs(offset_seconds))} {'behind' if offset_seconds > 0 else 'ahead of'} that of the server"
    if abs(offset_seconds) > MAX_CLOCK_OFFSET_SECONDS:
        return Finding(
            "clock_offset",
            "warning",
            f"The clock of this machine is {said}.  Leases and timers are unaffected, as they go by the server's; logs"
            " and the times of attempts are not.",
            facts,
        )
    return Finding("clock", "ok", f"The clock of this machine is {said}.", facts)


def _size_findings(inspection: StoreInspection) -> Iterator[Finding]:
    if inspection.size_bytes is None:
        return
    free = inspection.free_bytes
    mode = f", journal mode {inspection.journal_mode}" if inspection.journal_mode else ""
    facts = {"size_bytes": inspection.size_bytes, "free_bytes": free, "journal_mode": inspection.journal_mode}
    disk = "" if free is None else f"; {format_bytes(free)} are free on its disk"
    sentence = f"The database has {format_bytes(inspection.size_bytes)}{mode}{disk}."
    if free is not None and free < MIN_FREE_BYTES:
        yield Finding("disk_full", "problem" if free < MIN_FREE_BYTES // 100 else "warning", sentence, facts)
    else:
        yield Finding("size", "ok", sentence, facts)
    if inspection.journal_mode not in (None, "WAL", "MEMORY"):
        yield Finding(
            "journal_mode",
            "warning",
            f"The journal mode is {inspection.journal_mode}: readers and the writer wait for each other.  WAL is the"
            " default; leave _journal_mode out of the URL.",
            {"journal_mode": inspection.journal_mode},
        )


def _connection_findings(inspection: StoreInspection) -> Iterator[Finding]:
    used, limit = inspection.connections, inspection.max_connections
    if used is None or limit is None:
        return
    facts = {"connections": used, "max_connections": limit}
    is_scarce = used >= limit * MAX_CONNECTION_SHARE
    said = f"The server has {used:,} of at most {limit:,} connections."
    yield Finding("connections_scarce" if is_scarce else "connections", "warning" if is_scarce else "ok", said, facts)


def format_bytes(size: int) -> str:
    """`12.3 MB`."""
    value = float(size)
    for unit in ("bytes", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "bytes" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"
