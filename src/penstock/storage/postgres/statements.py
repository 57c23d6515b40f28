"""Every statement of the PostgreSQL store, by the name of its file."""

from __future__ import annotations

from penstock.storage.postgres.pipeline import Statement
from penstock.storage.statements import numbered, read


def _numbered(package: str, name: str) -> str:
    return numbered(read(package, f"sql/{name}.sql"), "${}".format)


def _common(name: str) -> str:
    return _numbered("penstock.storage", name)


def _own(name: str) -> str:
    return _numbered("penstock.storage.postgres", name)


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
ORPHAN_EXPIRED_WORK = _own("orphan_expired_work")

GET_RUN = _common("get_run")
GET_PLAN = _common("get_plan")
GET_TIME = _own("get_time")
LIST_RUNS = _common("list_runs")
LIST_RUNS_BEFORE = _common("list_runs_before")
LIST_RUNS_AFTER = _common("list_runs_after")
LIST_WORK = _common("list_work")
LIST_HELD_WORK = _common("list_held_work")
LIST_OVERDUE = _common("list_overdue")
LIST_STRAYS = _common("list_strays")
READ_JOURNAL = _common("read_journal")
READ_JOURNAL_ROW_OF = _common("read_journal_row_of")

GET_NEWS_CHANNEL = _own("get_news_channel")

LOCK_SCHEMA = _own("lock_schema")
HAS_SCHEMA = _own("has_schema")
HAS_SCHEMA_VERSION = _own("has_schema_version")
CREATE_SCHEMA_VERSION = _own("create_schema_version")
LIST_SCHEMA_VERSIONS = _common("list_schema_versions")
INSERT_SCHEMA_VERSION = _common("insert_schema_version")
