"""The state of a database itself, as far as it can hold runs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StoreInspection:
    """A database as this process sees it; None where that is not known, or does not apply.

    `engine`: name and version of the software.  `size_bytes`: of the whole database.  `free_bytes`: of the disk it is
    on.  `is_writable`: this process may change runs.  `migrations`: those that were applied, as (number, phase, name);
    `pending`: those this version has besides; `unknown`: of a newer version.  `journal_mode`: of a SQLite file.
    `connections`: of all clients, of at most `max_connections`.
    """

    engine: str
    is_writable: bool
    size_bytes: int | None = None
    free_bytes: int | None = None
    migrations: tuple[tuple[int, str, str], ...] = ()
    pending: tuple[tuple[int, str, str], ...] = ()
    unknown: tuple[tuple[int, str, str], ...] = ()
    journal_mode: str | None = None
    connections: int | None = None
    max_connections: int | None = None
