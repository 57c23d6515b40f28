"""The statements of the PostgreSQL store; each name is that of its file in `sql/`."""

from __future__ import annotations

from typing import Final

from holdwater.storage.postgres.pipeline import PipelineStatement
from holdwater.storage.sql.fragments import FragmentSet
from holdwater.storage.sql.statements import number_parameters, read_sql


def _read_numbered(package: str, name: str) -> str:
    return number_parameters(read_sql(package, f"sql/{name}.sql"), "${}".format)


def _shared(name: str) -> str:
    return _read_numbered("holdwater.storage", name)


def _postgres_only(name: str) -> str:
    return _read_numbered("holdwater.storage.postgres", name)


def _array_statement(name: str) -> PipelineStatement:
    return PipelineStatement.parse(_postgres_only(name))


INSERT_PLANS = _array_statement("insert_plans")
INSERT_RUNS = _array_statement("insert_runs")
UPDATE_RUNS = _array_statement("update_runs")
INSERT_LABELS = _array_statement("insert_labels")
APPEND_JOURNAL = _array_statement("append_journal")
INSERT_WORK = _array_statement("insert_work")
INSERT_LIMITED_WORK = _array_statement("insert_limited_work")
DELETE_WORK = _array_statement("delete_work")
MARK_WORK_STARTED = _array_statement("mark_work_started")
PARK_WORK = _array_statement("park_work")
LOCK_RUNS = _postgres_only("lock_runs")
LIST_JOURNAL_LENGTHS = _postgres_only("list_journal_lengths")
FIND_RUN_BY_KEY = _shared("find_run_by_key")
NOTIFY = _array_statement("notify")
NOTIFY_AT_COMMIT = _postgres_only("notify")

CLAIM_WORK = _postgres_only("claim_work")
RELEASE_WORK = _array_statement("release_work")

LOCK_LIMITS = _postgres_only("lock_limits")
LOCK_RELEASES = _postgres_only("lock_releases")
LIST_LIMIT_STATE = _shared("list_limit_state")
LIST_LIMITED_TASKS = _postgres_only("list_limited_tasks")
CLAIM_LIMITED_TASKS = _postgres_only("claim_limited_tasks")
PUT_LIMIT = _shared("put_limit")
DELETE_LIMIT = _shared("delete_limit")
LIST_LIMITS = _shared("list_limits")
COUNT_LIMITED_WORK = _shared("count_limited_work")
LIST_HELD_LIMITED_WORK = _shared("list_held_limited_work")
ADD_WORKFLOW_LIMIT_TO_WORK = _postgres_only("add_workflow_limit_to_work")
ADD_LABEL_LIMIT_TO_WORK = _postgres_only("add_label_limit_to_work")

GET_SCHEMA = _postgres_only("get_schema")
INSERT_SECRET = _shared("insert_secret")
UPDATE_SECRET = _shared("update_secret")
GET_SECRET = _shared("get_secret")
LIST_SECRETS = _shared("list_secrets")
DELETE_SECRET = _shared("delete_secret")

RENEW_LEASES = _shared("renew_leases")
GET_NEXT_LEASE_EXPIRY = _shared("get_next_lease_expiry")
EXTEND_LEASES = _postgres_only("extend_leases")
LIST_LEASE_EXPIRIES = _postgres_only("list_lease_expiries")
LIST_HELD_LOCKS = _postgres_only("list_held_locks")
RECLAIM_EXPIRED_WORK = _postgres_only("reclaim_expired_work")

GET_RUN = _shared("get_run")
GET_RUNS = _postgres_only("get_runs")
READ_JOURNALS = _postgres_only("read_journals")
LIST_WORK_OF_RUNS = _postgres_only("list_work_of_runs")
GET_PLAN = _shared("get_plan")
GET_SERVER_TIME = _postgres_only("get_server_time")
LIST_WORKFLOW_NAMES = _shared("list_workflow_names")
RUN_LIST_PARTS: Final = FragmentSet(
    ("holdwater.storage", "sql/run_lists.sql"), ("holdwater.storage.postgres", "sql/run_lists.sql")
)
LIST_RUNS_AFTER = _shared("list_runs_after")
FIND_RUN_IDS_BY_PREFIX = _shared("find_run_ids_by_prefix")
FIND_RUN_IDS_BY_SUFFIX = _shared("find_run_ids_by_suffix")
LIST_WORK = _shared("list_work")
LIST_WORK_OF_OWNER = _shared("list_work_of_owner")
LIST_OVERDUE_RUNS = _shared("list_overdue_runs")
LIST_ORPHANED_CHILDREN = _shared("list_orphaned_children")
READ_JOURNAL = _shared("read_journal")
READ_JOURNAL_PAGE = _shared("read_journal_page")
READ_JOURNAL_ROW_CONTAINING = _shared("read_journal_row_containing")

LIST_ENDED_RUNS = _shared("list_ended_runs")
LIST_DESCENDANTS = _postgres_only("list_descendants")
LOCK_ENDED_RUNS = _postgres_only("lock_ended_runs")
DELETE_RUNS = _postgres_only("delete_runs")
DELETE_JOURNALS = _postgres_only("delete_journals")
DELETE_LABELS = _postgres_only("delete_labels")
DELETE_WORK_OF_RUNS = _postgres_only("delete_work_of_runs")
MEASURE_RUNS = _postgres_only("measure_runs")

LOCK_LOG_SIZES = _postgres_only("lock_log_sizes")
INSERT_LOGS = _array_statement("insert_logs")
UPDATE_LOG_SIZES = _array_statement("update_log_sizes")
DELETE_LOGS = _postgres_only("delete_logs")
INSERT_QUESTIONS = _array_statement("insert_questions")
DELETE_QUESTIONS = _array_statement("delete_questions")
LIST_READY_WORK = _shared("list_ready_work")
INSPECT_DATABASE = _postgres_only("inspect_database")
LIST_NEWEST_QUESTIONS = _shared("list_newest_questions")
LIST_OLDEST_QUESTIONS = _shared("list_oldest_questions")
COUNT_QUESTIONS = _shared("count_questions")
LIST_FIRST_QUESTIONS = _postgres_only("list_first_questions")

READ_LOGS = _shared("read_logs")
READ_NODE_LOGS = _shared("read_node_logs")

WRITE_MAP_ITEMS = _array_statement("write_map_items")
READ_MAP_ITEMS = _shared("read_map_items")
LIST_ITEM_HEADS = _shared("list_item_heads")
LIST_FAILED_ITEMS = _shared("list_failed_items")
COUNT_MAP_ITEMS = _shared("count_map_items")
COUNT_FAILED_ITEMS = _shared("count_failed_items")
DELETE_MAP_ITEMS = _shared("delete_map_items")

INSERT_BULK_CHUNKS = _postgres_only("insert_bulk_chunks")
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

GET_NOTIFY_CHANNEL = _postgres_only("get_notify_channel")

LOCK_SCHEMA = _postgres_only("lock_schema")
HAS_SCHEMA = _postgres_only("has_schema")
INSERT_SCHEDULE = _shared("insert_schedule")
UPDATE_SCHEDULE = _shared("update_schedule")
ADVANCE_SCHEDULES = _array_statement("advance_schedules")
DELETE_SCHEDULE = _shared("delete_schedule")
GET_SCHEDULE = _shared("get_schedule")
FIND_SCHEDULE_BY_NAME = _shared("find_schedule_by_name")
LIST_SCHEDULES = _shared("list_schedules")
LIST_DUE_SCHEDULES = _postgres_only("list_due_schedules")
LOCK_SCHEDULES = _postgres_only("lock_schedules")
GET_NEXT_DUE = _postgres_only("get_next_due")
READ_NEXT_WORK = _postgres_only("read_next_work")
UPSERT_FIRES = _array_statement("upsert_fires")
DELETE_FIRES = _shared("delete_fires")
CLOSE_FINISHED_FIRES = _shared("close_finished_fires")
EXPIRE_FIRES = _shared("expire_fires")
LIST_FIRES = _shared("list_fires")
LIST_QUEUED_FIRES = _shared("list_queued_fires")
LIST_WAITING_FIRES = _postgres_only("list_waiting_fires")
HAS_WAITING_FIRES = _shared("has_waiting_fires")
LIST_UNFINISHED_FIRES = _postgres_only("list_unfinished_fires")
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

HAS_SCHEMA_VERSION = _postgres_only("has_schema_version")
CREATE_SCHEMA_VERSION = _postgres_only("create_schema_version")
LIST_SCHEMA_VERSIONS = _shared("list_schema_versions")
INSERT_SCHEMA_VERSION = _shared("insert_schema_version")
