"""The statements about tenants; each name is that of its file in `sql/tenants/`."""

from __future__ import annotations

from holdwater.storage.sql.statements import number_parameters, read_sql


def _read_numbered(name: str) -> str:
    return number_parameters(_read_with_identifiers(name), "${}".format)


def _read_with_identifiers(name: str) -> str:
    """Read a statement or script with names of schemas and roles in `{}`."""
    return read_sql("holdwater.storage.postgres", f"sql/tenants/{name}.sql")


SET_TRANSACTION_LIMITS = _read_with_identifiers("set_transaction_limits")
CREATE_TENANT = _read_with_identifiers("create_tenant")
GRANT_TENANT = _read_with_identifiers("grant_tenant")
COUNT_LEASED_WORK = _read_with_identifiers("count_leased_work")
LIST_SCHEMA_VERSIONS = _read_with_identifiers("list_schema_versions")
GRANT_ROLE_MEMBERSHIP = _read_with_identifiers("grant_role_membership")
DROP_SCHEMA = _read_with_identifiers("drop_schema")
DROP_ROLE = _read_with_identifiers("drop_role")

LIST_NAME_CONFLICTS = _read_numbered("list_name_conflicts")
LIST_PRIVILEGE_PROBLEMS = _read_numbered("list_privilege_problems")
LIST_TENANTS = _read_numbered("list_tenants")
LIST_SERVER_SCHEMAS = _read_with_identifiers("list_server_schemas")
IS_SERVED = _read_numbered("is_served")
LIST_RELATIONS = _read_numbered("list_relations")
LIST_OWNED_OBJECTS = _read_numbered("list_owned_objects")
FIND_TENANT = _read_numbered("find_tenant")
GET_ROLE_OID = _read_numbered("get_role_oid")
COUNT_SESSIONS = _read_numbered("count_sessions")
TERMINATE_SESSIONS = _read_numbered("terminate_sessions")
IS_SUPERUSER = _read_numbered("is_superuser")
