"""The statements of the SQLite store; each name is that of its file in `sql/`.

Placeholders are `?`: Python's sqlite3 treats SQLite's numbered ones (`?1`) as named, warns since 3.12 of a sequence
bound to named ones, and refuses it from 3.14 on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from holdwater.storage.sql.fragments import FragmentSet
from holdwater.storage.sql.statements import read_sql, to_positional

_repeated_parameters: Final[dict[str, tuple[int, ...]]] = {}
"""statement that names a parameter more than once -> index of the parameter, for each placeholder"""


def bind(statement: str, parameters: Sequence[Any]) -> Sequence[Any]:
    """Return the values of a statement's placeholders, given each of its parameters once."""
    order = _repeated_parameters.get(statement)
    return parameters if order is None else [parameters[index] for index in order]


def _read_statement(package: str, name: str) -> str:
    statement, order = to_positional(read_sql(package, f"sql/{name}.sql"))
    if len(set(order)) < len(order):
        _repeated_parameters[statement] = order
    return statement


def _shared(name: str) -> str:
    return _read_statement("holdwater.storage", name)


def _sqlite_only(name: str) -> str:
    return _read_statement("holdwater.storage.sqlite", name)


INSERT_PLAN = _shared("insert_plan")
INSERT_RUN = _shared("insert_run")
UPDATE_RUN = _shared("update_run")
INSERT_LABEL = _shared("insert_label")
APPEND_JOURNAL = _shared("append_journal")
INSERT_WORK = _shared("insert_work")
INSERT_LIMITED_WORK = _shared("insert_limited_work")
DELETE_WORK = _shared("delete_work")
MARK_WORK_STARTED = _shared("mark_work_started")
PARK_WORK = _shared("park_work")
FIND_RUN_BY_KEY = _shared("find_run_by_key")
LIST_JOURNAL_LENGTHS = _sqlite_only("list_journal_lengths")

CLAIM_WORK = _shared("claim_work")
RELEASE_WORK = _shared("release_work")
HAS_CLAIMABLE_TASKS = _sqlite_only("has_claimable_tasks")
LIST_CLAIMABLE_TASKS = _sqlite_only("list_claimable_tasks")
HAS_CLAIMABLE_TIMERS = _sqlite_only("has_claimable_timers")
LIST_CLAIMABLE_TIMERS = _sqlite_only("list_claimable_timers")

HAS_LIMITED_TASKS = _sqlite_only("has_limited_tasks")
LIST_LIMIT_STATE = _shared("list_limit_state")
PUT_LIMIT = _shared("put_limit")
DELETE_LIMIT = _shared("delete_limit")
LIST_LIMITS = _shared("list_limits")
COUNT_LIMITED_WORK = _shared("count_limited_work")
LIST_HELD_LIMITED_WORK = _shared("list_held_limited_work")
ADD_WORKFLOW_LIMIT_TO_WORK = _sqlite_only("add_workflow_limit_to_work")
ADD_LABEL_LIMIT_TO_WORK = _sqlite_only("add_label_limit_to_work")

INSERT_SECRET = _shared("insert_secret")
UPDATE_SECRET = _shared("update_secret")
GET_SECRET = _shared("get_secret")
LIST_SECRETS = _shared("list_secrets")
DELETE_SECRET = _shared("delete_secret")

LIST_OWNERS = _shared("list_owners")
HAS_WORK_OF_OWNER = _shared("has_work_of_owner")
RENEW_LEASES = _shared("renew_leases")
HAS_EXPIRED_LEASE = _shared("has_expired_lease")
RECLAIM_WORK = _shared("reclaim_work")
RECLAIM_EXPIRED_WORK = _shared("reclaim_expired_work")

GET_RUN = _shared("get_run")
GET_RUNS = _sqlite_only("get_runs")
READ_JOURNALS = _sqlite_only("read_journals")
LIST_WORK_OF_RUNS = _sqlite_only("list_work_of_runs")
GET_PLAN = _shared("get_plan")
LIST_WORKFLOW_NAMES = _shared("list_workflow_names")
RUN_LIST_PARTS: Final = FragmentSet(
    ("holdwater.storage", "sql/run_lists.sql"), ("holdwater.storage.sqlite", "sql/run_lists.sql")
)
LIST_RUNS_AFTER = _shared("list_runs_after")
FIND_RUN_IDS_BY_PREFIX = _shared("find_run_ids_by_prefix")
FIND_RUN_IDS_BY_SUFFIX = _shared("find_run_ids_by_suffix")
LIST_WORK = _shared("list_work")
LIST_WORK_OF_OWNER = _shared("list_work_of_owner")
LIST_OVERDUE_RUNS = _shared("list_overdue_runs")
LIST_ORPHANED_CHILDREN = _shared("list_orphaned_children")
GET_NEXT_LEASE_EXPIRY = _shared("get_next_lease_expiry")
READ_JOURNAL = _shared("read_journal")
READ_JOURNAL_PAGE = _shared("read_journal_page")
READ_JOURNAL_ROW_CONTAINING = _shared("read_journal_row_containing")

LIST_ENDED_RUNS = _shared("list_ended_runs")
LIST_DESCENDANTS = _sqlite_only("list_descendants")
DELETE_RUNS = _sqlite_only("delete_runs")
DELETE_JOURNALS = _sqlite_only("delete_journals")
DELETE_LABELS = _sqlite_only("delete_labels")
DELETE_WORK_OF_RUNS = _sqlite_only("delete_work_of_runs")
MEASURE_RUNS = _sqlite_only("measure_runs")

CREATE_LOG_SIZES = _sqlite_only("create_log_sizes")
LIST_LOG_SIZES = _sqlite_only("list_log_sizes")
INSERT_LOGS = _sqlite_only("insert_logs")
UPDATE_LOG_SIZE = _sqlite_only("update_log_size")
DELETE_LOGS = _sqlite_only("delete_logs")
DELETE_LOG_SIZES = _sqlite_only("delete_log_sizes")
INSERT_QUESTION = _sqlite_only("insert_question")
DELETE_QUESTION = _sqlite_only("delete_question")
LIST_READY_WORK = _shared("list_ready_work")
LIST_NEWEST_QUESTIONS = _shared("list_newest_questions")
LIST_OLDEST_QUESTIONS = _shared("list_oldest_questions")
COUNT_QUESTIONS = _shared("count_questions")
LIST_FIRST_QUESTIONS = _sqlite_only("list_first_questions")

READ_LOGS = _shared("read_logs")
READ_NODE_LOGS = _shared("read_node_logs")

WRITE_MAP_ITEMS = _sqlite_only("write_map_items")
READ_MAP_ITEMS = _shared("read_map_items")
LIST_ITEM_HEADS = _shared("list_item_heads")
LIST_FAILED_ITEMS = _shared("list_failed_items")
COUNT_MAP_ITEMS = _shared("count_map_items")
COUNT_FAILED_ITEMS = _shared("count_failed_items")
DELETE_MAP_ITEMS = _shared("delete_map_items")

INSERT_BULK_CHUNK = _sqlite_only("insert_bulk_chunk")
CLAIM_BULK_JOB = _shared("claim_bulk_job")
DELETE_BULK_CHUNK = _shared("delete_bulk_chunk")
DELETE_BULK_CHUNKS = _shared("delete_bulk_chunks")
DELETE_OLD_BULK_JOBS = _shared("delete_old_bulk_jobs")
GET_BULK_JOB = _shared("get_bulk_job")
GET_NEXT_BULK_CHUNK = _shared("get_next_bulk_chunk")
GET_SETTING = _shared("get_setting")
LIST_SETTINGS = _shared("list_settings")
INSERT_BULK_JOB = _shared("insert_bulk_job")
LIST_BULK_JOBS = _shared("list_bulk_jobs")
PUT_SETTING = _shared("put_setting")
STOP_BULK_JOB = _shared("stop_bulk_job")
UPDATE_BULK_JOB = _shared("update_bulk_job")

INSERT_RELEASE = _shared("insert_release")
UPDATE_RELEASE = _shared("update_release")
GET_RELEASE = _shared("get_release")
LIST_RELEASES = _shared("list_releases")
LIST_RELEASES_OF_PACKAGE = _shared("list_releases_of_package")
DELETE_RELEASE = _shared("delete_release")
DELETE_RELEASE_ARCHIVE = _shared("delete_release_archive")
PUT_RELEASE_ARCHIVE = _shared("put_release_archive")
GET_RELEASE_ARCHIVE = _shared("get_release_archive")
COUNT_OPEN_RUNS = _shared("count_open_runs")
PUT_TRUSTED_KEY = _shared("put_trusted_key")
LIST_TRUSTED_KEYS = _shared("list_trusted_keys")
DELETE_TRUSTED_KEY = _shared("delete_trusted_key")

GET_LAYOUT = _shared("get_layout")
PUT_LAYOUT = _shared("put_layout")
DELETE_LAYOUTS = _shared("delete_layouts")

INSERT_SCHEDULE = _shared("insert_schedule")
UPDATE_SCHEDULE = _shared("update_schedule")
ADVANCE_SCHEDULE = _shared("advance_schedule")
DELETE_SCHEDULE = _shared("delete_schedule")
GET_SCHEDULE = _shared("get_schedule")
FIND_SCHEDULE_BY_NAME = _shared("find_schedule_by_name")
LIST_SCHEDULES = _shared("list_schedules")
LIST_DUE_SCHEDULES = _sqlite_only("list_due_schedules")
LIST_SCHEDULE_VERSIONS = _sqlite_only("list_schedule_versions")
GET_NEXT_DUE = _sqlite_only("get_next_due")
UPSERT_FIRE = _shared("upsert_fire")
DELETE_FIRES = _shared("delete_fires")
CLOSE_FINISHED_FIRES = _shared("close_finished_fires")
EXPIRE_FIRES = _shared("expire_fires")
LIST_FIRES = _shared("list_fires")
LIST_QUEUED_FIRES = _shared("list_queued_fires")
LIST_WAITING_FIRES = _sqlite_only("list_waiting_fires")
HAS_WAITING_FIRES = _shared("has_waiting_fires")
LIST_UNFINISHED_FIRES = _sqlite_only("list_unfinished_fires")
COUNT_FIRES = _shared("count_fires")

UPSERT_WORKFLOW = _shared("upsert_workflow")
LIST_WORKFLOW_DIGESTS = _shared("list_workflow_digests")
LIST_WORKFLOWS = _shared("list_workflows")
GET_WORKFLOW = _shared("get_workflow")
HAS_WORKFLOW = _shared("has_workflow")
UPSERT_RUNNER = _shared("upsert_runner")
DELETE_RUNNER = _shared("delete_runner")
DELETE_OLD_RUNNERS = _shared("delete_old_runners")
LIST_RUNNERS = _shared("list_runners")

HAS_SCHEMA_VERSION = _sqlite_only("has_schema_version")
CREATE_SCHEMA_VERSION = _sqlite_only("create_schema_version")
LIST_SCHEMA_VERSIONS = _shared("list_schema_versions")
INSERT_SCHEMA_VERSION = _shared("insert_schema_version")
