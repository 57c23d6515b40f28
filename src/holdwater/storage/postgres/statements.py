"""Every statement of the PostgreSQL store, by the name of its file."""

from __future__ import annotations

from holdwater.storage.postgres.pipeline import Statement
from holdwater.storage.sql.statements import numbered, read


def _numbered(package: str, name: str) -> str:
    return numbered(read(package, f"sql/{name}.sql"), "${}".format)


def _common(name: str) -> str:
    return _numbered("holdwater.storage", name)


def _own(name: str) -> str:
    return _numbered("holdwater.storage.postgres", name)


def _hot(name: str) -> Statement:
    return Statement.of(_own(name))


INSERT_PLANS = _hot("insert_plans")
INSERT_RUNS = _hot("insert_runs")
UPDATE_RUNS = _hot("update_runs")
APPEND_JOURNAL = _hot("append_journal")
INSERT_WORK = _hot("insert_work")
DELETE_WORK = _hot("delete_work")
BEGIN_WORK = _hot("begin_work")
PARK_WORK = _hot("park_work")
LOCK_RUNS = _own("lock_runs")
LIST_SEQS = _own("list_seqs")
FIND_RUN_BY_KEY = _common("find_run_by_key")
NOTIFY = _hot("notify")

CLAIM_WORK = _own("claim_work")
RELEASE_WORK = _hot("release_work")

RENEW_LEASES = _common("renew_leases")
GET_NEXT_EXPIRY = _common("get_next_expiry")
EXTEND_LEASES = _own("extend_leases")
LIST_LEASES = _own("list_leases")
LIST_SESSIONS = _own("list_sessions")
ORPHAN_EXPIRED_WORK = _own("orphan_expired_work")

GET_RUN = _common("get_run")
GET_RUNS = _own("get_runs")
READ_JOURNALS = _own("read_journals")
LIST_WORKS = _own("list_works")
GET_PLAN = _common("get_plan")
GET_TIME = _own("get_time")
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
READ_JOURNAL = _common("read_journal")
READ_JOURNAL_ROW_OF = _common("read_journal_row_of")

LIST_ENDED_RUNS = _common("list_ended_runs")
LIST_FAMILIES = _own("list_families")
LOCK_ENDED_RUNS = _own("lock_ended_runs")
DELETE_RUNS = _own("delete_runs")
DELETE_JOURNALS = _own("delete_journals")
DELETE_WORKS = _own("delete_works")

GET_NEWS_CHANNEL = _own("get_news_channel")

LOCK_SCHEMA = _own("lock_schema")
HAS_SCHEMA = _own("has_schema")
INSERT_SCHEDULE = _common("insert_schedule")
UPDATE_SCHEDULE = _common("update_schedule")
ADVANCE_SCHEDULES = _hot("advance_schedules")
DELETE_SCHEDULE = _common("delete_schedule")
GET_SCHEDULE = _common("get_schedule")
FIND_SCHEDULE_BY_NAME = _common("find_schedule_by_name")
LIST_SCHEDULES = _common("list_schedules")
LIST_DUE_SCHEDULES = _own("list_due_schedules")
LOCK_SCHEDULES = _own("lock_schedules")
GET_NEXT_DUE = _own("get_next_due")
PUT_FIRES = _hot("put_fires")
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
