"""Every statement about tenants, by the name of its file."""

from __future__ import annotations

from holdwater.storage.sql.statements import numbered, read


def _plain(name: str) -> str:
    return numbered(_with_names(name), "${}".format)


def _with_names(name: str) -> str:
    """A statement or script with names of schemas and roles in `{}`."""
    return read("holdwater.storage.postgres", f"sql/tenants/{name}.sql")


SET_LIMITS = _with_names("set_limits")
CREATE_TENANT = _with_names("create_tenant")
GRANT_TENANT = _with_names("grant_tenant")
COUNT_HELD_WORK = _with_names("count_held_work")
LIST_VERSIONS = _with_names("list_versions")
JOIN_ROLE = _with_names("join_role")
DROP_SCHEMA = _with_names("drop_schema")
DROP_ROLE = _with_names("drop_role")

LIST_TAKEN = _plain("list_taken")
LIST_EXCESS = _plain("list_excess")
LIST_TENANTS = _plain("list_tenants")
LIST_RELATIONS = _plain("list_relations")
LIST_BELONGINGS = _plain("list_belongings")
FIND_TENANT = _plain("find_tenant")
GET_ROLE = _plain("get_role")
COUNT_SESSIONS = _plain("count_sessions")
END_SESSIONS = _plain("end_sessions")
IS_SUPERUSER = _plain("is_superuser")
