"""Every statement of the SQLite store, by the name of its file.

Their placeholders are bare `?`: Python's module takes SQLite's numbered ones (`?1`) for names, warns since 3.12 of a
sequence bound to names, and refuses it from 3.14 on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from holdwater.storage.sql.statements import positional, read

_repeating: Final[dict[str, tuple[int, ...]]] = {}
"""for a statement that names a parameter more than once: the index of the parameter for each placeholder"""


def bound(statement: str, parameters: Sequence[Any]) -> Sequence[Any]:
    """What to bind to the placeholders of a statement, given each of its parameters once."""
    order = _repeating.get(statement)
    return parameters if order is None else [parameters[index] for index in order]


def _read(package: str, name: str) -> str:
    statement, order = positional(read(package, f"sql/{name}.sql"))
    if len(set(order)) < len(order):
        _repeating[statement] = order
    return statement


def _common(name: str) -> str:
    return _read("holdwater.storage", name)


def _own(name: str) -> str:
    return _read("holdwater.storage.sqlite", name)


INSERT_PLAN = _common("insert_plan")
INSERT_RUN = _common("insert_run")
UPDATE_RUN = _common("update_run")
APPEND_JOURNAL = _common("append_journal")
INSERT_WORK = _common("insert_work")
DELETE_WORK = _common("delete_work")
BEGIN_WORK = _common("begin_work")
PARK_WORK = _common("park_work")
FIND_RUN_BY_KEY = _common("find_run_by_key")
LIST_SEQS = _own("list_seqs")

CLAIM_WORK = _common("claim_work")
RELEASE_WORK = _common("release_work")
HAS_CLAIMABLE_BODIES = _own("has_claimable_bodies")
LIST_CLAIMABLE_BODIES = _own("list_claimable_bodies")
HAS_CLAIMABLE_TIMERS = _own("has_claimable_timers")
LIST_CLAIMABLE_TIMERS = _own("list_claimable_timers")

LIST_OWNERS = _common("list_owners")
OWNS_WORK = _common("owns_work")
RENEW_LEASES = _common("renew_leases")
HAS_EXPIRED = _common("has_expired")
ORPHAN_WORK = _common("orphan_work")
ORPHAN_EXPIRED_WORK = _common("orphan_expired_work")

GET_RUN = _common("get_run")
GET_RUNS = _own("get_runs")
READ_JOURNALS = _own("read_journals")
LIST_WORKS = _own("list_works")
GET_PLAN = _common("get_plan")
LIST_RUNS = _common("list_runs")
LIST_TOP_RUNS = _common("list_top_runs")
LIST_CHILD_RUNS = _common("list_child_runs")
LIST_RUNS_IN_STATUS = _common("list_runs_in_status")
COUNT_RUNS = _common("count_runs")
LIST_RUNS_AFTER = _common("list_runs_after")
LIST_IDS_BEGINNING = _common("list_ids_beginning")
LIST_IDS_ENDING = _common("list_ids_ending")
LIST_WORK = _common("list_work")
LIST_HELD_WORK = _common("list_held_work")
LIST_OVERDUE = _common("list_overdue")
LIST_STRAYS = _common("list_strays")
GET_NEXT_EXPIRY = _common("get_next_expiry")
READ_JOURNAL = _common("read_journal")
READ_JOURNAL_ROW_OF = _common("read_journal_row_of")

LIST_ENDED_RUNS = _common("list_ended_runs")
LIST_FAMILIES = _own("list_families")
DELETE_RUNS = _own("delete_runs")
DELETE_JOURNALS = _own("delete_journals")
DELETE_WORKS = _own("delete_works")

INSERT_SCHEDULE = _common("insert_schedule")
UPDATE_SCHEDULE = _common("update_schedule")
ADVANCE_SCHEDULE = _common("advance_schedule")
DELETE_SCHEDULE = _common("delete_schedule")
GET_SCHEDULE = _common("get_schedule")
FIND_SCHEDULE_BY_NAME = _common("find_schedule_by_name")
LIST_SCHEDULES = _common("list_schedules")
LIST_DUE_SCHEDULES = _own("list_due_schedules")
LIST_SCHEDULE_VERSIONS = _own("list_schedule_versions")
GET_NEXT_DUE = _own("get_next_due")
PUT_FIRE = _common("put_fire")
DELETE_FIRES = _common("delete_fires")
END_FIRES = _common("end_fires")
EXPIRE_FIRES = _common("expire_fires")
LIST_FIRES = _common("list_fires")
LIST_QUEUED_FIRES = _common("list_queued_fires")
LIST_WAITING_FIRES = _own("list_waiting_fires")
HAS_WAITING_FIRES = _common("has_waiting_fires")
LIST_UNFINISHED_FIRES = _own("list_unfinished_fires")
COUNT_FIRES = _common("count_fires")
INSERT_WORKFLOW = _common("insert_workflow")
LIST_WORKFLOWS = _common("list_workflows")
HAS_WORKFLOW = _common("has_workflow")

HAS_SCHEMA_VERSION = _own("has_schema_version")
CREATE_SCHEMA_VERSION = _own("create_schema_version")
LIST_SCHEMA_VERSIONS = _common("list_schema_versions")
INSERT_SCHEMA_VERSION = _common("insert_schema_version")
