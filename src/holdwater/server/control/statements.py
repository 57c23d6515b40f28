"""Statements of the server's own tables, from `sql/`."""

from __future__ import annotations

from holdwater.storage.sql.statements import number_parameters, read_sql


def read_statement(name: str) -> str:
    """Read a statement; its parameters are a tuple in the order in which it names them."""
    return number_parameters(read_sql("holdwater.server.control", f"sql/{name}.sql"), "${}".format)


CREATE_VERSIONS = read_statement("create_versions")
HAS_VERSIONS = read_statement("has_versions")
LIST_VERSIONS = read_statement("list_versions")
INSERT_VERSION = read_statement("insert_version")
ANNOUNCE_TENANT = read_statement("announce_tenant")
GET_TENANTS_CHANNEL = read_statement("get_tenants_channel")
INSERT_TENANT = read_statement("insert_tenant")
DELETE_TENANT = read_statement("delete_tenant")
LIST_TENANTS = read_statement("list_tenants")
GET_TENANT = read_statement("get_tenant")
CHANGE_TENANT = read_statement("change_tenant")
GET_ACTIVE_TENANT = read_statement("get_active_tenant")
LIST_ACTIVE_TENANTS = read_statement("list_active_tenants")

HAS_KEYS = read_statement("has_keys")
LOCK_KEYS = read_statement("lock_keys")
INSERT_KEY = read_statement("insert_key")
FIND_KEY = read_statement("find_key")
GET_KEYS = read_statement("get_keys")
LIST_KEYS = read_statement("list_keys")
REVOKE_KEY = read_statement("revoke_key")
REVOKE_KEYS_OF_TENANT = read_statement("revoke_keys_of_tenant")
EXPIRE_KEY = read_statement("expire_key")
TOUCH_KEY = read_statement("touch_key")
COUNT_OTHER_GODS = read_statement("count_other_gods")
GET_KEYS_CHANNEL = read_statement("get_keys_channel")
ANNOUNCE_ACCESS = read_statement("announce_access")
INSERT_SESSION = read_statement("insert_session")
FIND_SESSION = read_statement("find_session")
TOUCH_SESSION = read_statement("touch_session")
DELETE_SESSION = read_statement("delete_session")
PRUNE_SESSIONS = read_statement("prune_sessions")
INSERT_TICKET = read_statement("insert_ticket")
TAKE_TICKET = read_statement("take_ticket")
PRUNE_TICKETS = read_statement("prune_tickets")
INSERT_AUDIT = read_statement("insert_audit")
INSERT_AUDIT_ASKED = read_statement("insert_audit_asked")
SET_AUDIT_OUTCOMES = read_statement("set_audit_outcomes")
LIST_AUDIT = read_statement("list_audit")
PRUNE_AUDIT = read_statement("prune_audit")
CLAIM_IDEMPOTENCY = read_statement("claim_idempotency")
GET_IDEMPOTENCY = read_statement("get_idempotency")
COMPLETE_IDEMPOTENCY = read_statement("complete_idempotency")
DROP_IDEMPOTENCY = read_statement("drop_idempotency")
PRUNE_IDEMPOTENCY = read_statement("prune_idempotency")
LIST_LIVING_REPLICAS = read_statement("list_living_replicas")
LIST_REPLICAS = read_statement("list_replicas")
PUT_REPLICA = read_statement("put_replica")
DELETE_REPLICAS = read_statement("delete_replicas")
HAS_RUN = read_statement("has_run")
HAS_RUNS_TABLE = read_statement("has_runs_table")
USE_SCHEMA = read_statement("use_schema")
