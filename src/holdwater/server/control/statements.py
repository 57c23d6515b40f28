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
GET_ACTIVE_TENANT = read_statement("get_active_tenant")
LIST_ACTIVE_TENANTS = read_statement("list_active_tenants")
