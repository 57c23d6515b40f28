"""Every statement of the SQLite store, by the name of its file."""

from __future__ import annotations

from penstock.storage.statements import numbered, read


def _common(name: str) -> str:
    return numbered(read("penstock.storage", f"sql/{name}.sql"), "?{}".format)


def _own(name: str) -> str:
    return numbered(read("penstock.storage.sqlite", f"sql/{name}.sql"), "?{}".format)


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
HAS_CLAIMABLE = _own("has_claimable")
LIST_CLAIMABLE = _own("list_claimable")

LIST_OWNERS = _common("list_owners")
OWNS_WORK = _common("owns_work")
RENEW_LEASES = _common("renew_leases")
HAS_EXPIRED = _common("has_expired")
ORPHAN_WORK = _common("orphan_work")
ORPHAN_EXPIRED_WORK = _common("orphan_expired_work")

GET_RUN = _common("get_run")
GET_PLAN = _common("get_plan")
LIST_RUNS = _common("list_runs")
LIST_RUNS_BEFORE = _common("list_runs_before")
LIST_RUNS_AFTER = _common("list_runs_after")
LIST_WORK = _common("list_work")
LIST_HELD_WORK = _common("list_held_work")
LIST_OVERDUE = _common("list_overdue")
LIST_STRAYS = _common("list_strays")
GET_NEXT_EXPIRY = _common("get_next_expiry")
READ_JOURNAL = _common("read_journal")
READ_JOURNAL_ROW_OF = _common("read_journal_row_of")

HAS_SCHEMA_VERSION = _own("has_schema_version")
CREATE_SCHEMA_VERSION = _own("create_schema_version")
LIST_SCHEMA_VERSIONS = _common("list_schema_versions")
INSERT_SCHEMA_VERSION = _common("insert_schema_version")
