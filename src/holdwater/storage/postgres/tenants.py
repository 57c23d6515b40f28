"""Tenants: a schema with the tables of runs, and a role that may read and write only these tables.

Each is created, upgraded and removed in one transaction.  The schema belongs to the administrator and carries a comment
that names the role: only the owner of a schema can write its comment, so it cannot be forged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final
from urllib.parse import quote, urlencode

import psycopg
from psycopg import conninfo
from psycopg import sql as compose

from holdwater.errors import DatabaseURLError, SchemaTooNew, TenantError, TenantInUse, TenantNotFound
from holdwater.storage.options import StoreOptions
from holdwater.storage.postgres import schema as schemas
from holdwater.storage.postgres import service_file
from holdwater.storage.postgres import tenant_statements as sql
from holdwater.storage.postgres.errors import translate_error
from holdwater.storage.postgres.pipeline import PostgresConnection
from holdwater.storage.postgres.server import PostgresServer, check_schema_name, check_username
from holdwater.storage.postgres.statements import LOCK_SCHEMA
from holdwater.storage.sql.migrations import pending_migrations
from holdwater.storage.sql.statements import split_statements
from holdwater.storage.urls import mask_password

TenantListing = tuple[str, str, str, int]
"""schema, username, state of its tables (current, behind, newer) and number of sessions"""

InTransaction = Callable[[PostgresConnection], None]
"""does more in the transaction in which a tenant is made or removed, before that is done"""


def _do_nothing(connection: PostgresConnection) -> None:
    pass


_SERVED_HINT: Final = "`holdwater tenants {verb} {schema}` does both, with --server URL or with --database URL"
COMMENT_PREFIX: Final = "Holdwater tenant, role "
TERMINATE_TIMEOUT_MS: Final = 10_000
"""longest wait for a terminated session to end"""

_CREDENTIAL_PARAMETERS: Final = ("user", "password", "passfile", "sslcert", "sslkey", "sslpassword")
_NAME_TAKEN_SQLSTATES: Final = ("42710", "42P06", "23505")
_SERVER_ERROR_CLASSES: Final = ("08", "28", "3D", "53", "57", "58")
"""SQLSTATE classes caused by the server, not by the statement"""


def parse_admin_url(url: str) -> PostgresServer:
    """Read the URL of an administrator.  Raises TenantError."""
    with _raise_as_tenant_error():
        return PostgresServer.from_url(url, StoreOptions(prepare_statements=False))


def check_names(schema: str, username: str) -> None:
    """Check the names of a tenant's schema and role.  Raises TenantError."""
    with _raise_as_tenant_error():
        check_schema_name(schema)
        check_username(username)


def create_tenant(url: str, schema: str, username: str, password: str, also: InTransaction = _do_nothing) -> None:
    """Create schema, tables and role.  Raises TenantError, StoreUnavailable."""
    server = _tenant_server(url, schema)
    with _transaction(server, f"tenant {schema!r} cannot be made") as connection:
        for kind, name in connection.execute(sql.LIST_NAME_CONFLICTS, (schema, username)).fetchall():
            raise TenantError(
                f"tenant {schema!r} cannot be made: there is a {kind} {name!r} already; nothing was changed",
                hint="take another name, or remove what is there",
            )
        if also is _do_nothing and connection.execute(sql.LIST_SERVER_SCHEMAS).fetchall():
            raise TenantError(
                f"tenant {schema!r} cannot be made here: a server serves this database, and would not serve a tenant "
                "that it does not know; nothing was changed",
                hint=_SERVED_HINT.format(verb="create", schema=schema),
            )
        also(connection)
        _run_script(connection, sql.SET_TRANSACTION_LIMITS, {})  # which `also` may have set to others
        names = _identifiers(connection, schema, username)
        # hashed here, so that the server's log and statistics never contain the password itself
        verifier = connection.pgconn.encrypt_password(password.encode(), username.encode(), b"scram-sha-256")
        _run_script(
            connection,
            sql.CREATE_TENANT,
            names | {"verifier": compose.Literal(verifier.decode()), "mark": _comment_literal(username)},
        )
        schemas.migrate(connection, server)
        _run_script(connection, sql.GRANT_TENANT, names)
        _join_role(connection, names)
        for what, remedy in connection.execute(sql.LIST_PRIVILEGE_PROBLEMS, (username,)).fetchall():
            raise TenantError(
                f"tenant {schema!r} cannot be made: its role, like every other, {what}; nothing was changed",
                hint=remedy,
            )


def upgrade_tenant(url: str, schema: str, username: str) -> bool:
    """Apply pending migrations and grant again; True if there were any.  Raises TenantError, StoreUnavailable."""
    server = _tenant_server(url, schema)
    with _transaction(server, f"tenant {schema!r} cannot be brought up to date") as connection:
        _find_role(connection, schema, username)
        was = _schema_state(connection, schema, server.name)
        schemas.migrate(connection, server)
        names = _identifiers(connection, schema, username)
        _run_script(connection, sql.GRANT_TENANT, names)
        _join_role(connection, names)
        return was != "current"


def remove_tenant(url: str, schema: str, username: str, *, force: bool, also: InTransaction = _do_nothing) -> None:
    """Drop schema and role.  `force`: terminate the role's sessions first.  Raises TenantError, StoreUnavailable."""
    server = _tenant_server(url, schema)
    what = f"tenant {schema!r} cannot be removed"
    with _transaction(server, what, also=also) as connection:
        role = _find_role(connection, schema, username)
        if also is _do_nothing and _is_served(connection, schema):
            raise TenantError(
                f"{what} here: it is one of a server, which has keys of it; nothing was changed",
                hint=_SERVED_HINT.format(verb="remove", schema=schema),
            )
        names = _identifiers(connection, schema, username)
        _join_role(connection, names)
        if force:
            connection.execute(sql.TERMINATE_SESSIONS, (TERMINATE_TIMEOUT_MS, role)).fetchall()
        else:
            _check_idle(connection, what, schema, username, role)
        # by name and without CASCADE: objects of others that depend on these tables make it fail instead of vanishing
        for kind, tables in connection.execute(sql.LIST_RELATIONS, (schema,)).fetchall():
            some = compose.SQL(", ").join(compose.Identifier(schema, table) for table in tables)
            connection.execute(compose.SQL(_DROP_STATEMENTS[kind]).format(some))
        connection.execute(compose.SQL(sql.DROP_SCHEMA).format(**names))
        owned = [thing for (thing,) in connection.execute(sql.LIST_OWNED_OBJECTS, (role,)).fetchall()]
        if owned:
            raise TenantError(
                f"{what}: its role {username!r} also owns {', '.join(owned)}; nothing was changed",
                hint=f"drop these, or REASSIGN OWNED BY {username} TO another role",
            )
        _run_script(connection, sql.DROP_ROLE, names)
    if force:
        _terminate_late_sessions(server, role)


def check_idle(url: str, schema: str, username: str) -> None:
    """Check that a tenant has no sessions and no leased work.  Raises TenantInUse, TenantError, StoreUnavailable."""
    server = _tenant_server(url, schema)
    what = f"tenant {schema!r} cannot be removed"
    with _transaction(server, what, exclusive=False) as connection:
        _check_idle(connection, what, schema, username, _find_role(connection, schema, username))


def list_tenants(url: str) -> list[TenantListing]:
    """List all tenants, sorted by schema.  Raises TenantError, StoreUnavailable."""
    server = parse_admin_url(url)
    with _transaction(server, f"the tenants of {server.name} cannot be listed", exclusive=False) as connection:
        found: list[TenantListing] = []
        for schema, username in connection.execute(sql.LIST_TENANTS, (COMMENT_PREFIX,)).fetchall():
            role = _get_role_oid(connection, username)
            found.append(
                (schema, username, _schema_state(connection, schema, server.name), _count_sessions(connection, role))
            )
        return found


def has_server(url: str) -> bool:
    """Return True if the default schema of a URL has the tables of a server.  Raises TenantError, StoreUnavailable."""
    server = parse_admin_url(url)
    try:
        with server.connect() as connection, connection.transaction():
            connection.execute(server.settings_statement(local=True))
            return any(is_here for _, is_here in connection.execute(sql.LIST_SERVER_SCHEMAS).fetchall())
    except psycopg.Error as error:
        raise _tenant_error(error, "tenants cannot be made or removed", server.name) from error


def tenant_url(url: str, username: str, password: str, schema: str) -> str:
    """Derive the tenant's URL from the administrator's: the same host, database and options, other credentials."""
    said = service_file.resolve_service(
        {k: str(v) for k, v in conninfo.conninfo_to_dict(url).items()}, mask_password(url)
    )
    given = {k: v for k, v in said.items() if k not in _CREDENTIAL_PARAMETERS}
    path = f'-csearch_path="{schema}"' if schema != schema.lower() else f"-csearch_path={schema}"
    given["options"] = f"{given.get('options', '')} {path}".strip()
    place = ""
    if "/" not in given.get("host", ""):  # else the host is a directory of sockets, given as an option
        hosts, ports = given.pop("host", "").split(","), given.pop("port", "").split(",")
        ports = ports * len(hosts) if len(ports) == 1 else ports
        place = ",".join(
            (f"[{host}]" if ":" in host else quote(host, safe="")) + (f":{port}" if port else "")
            for host, port in zip(hosts, ports, strict=True)
        )
    database = quote(given.pop("dbname"), safe="")
    who = f"{quote(username, safe='')}:{quote(password, safe='')}"
    return f"postgresql://{who}@{place}/{database}?{urlencode(given, quote_via=quote)}"


# -- within

_DROP_STATEMENTS: Final = {
    "view": "DROP VIEW {} RESTRICT",
    "materialized view": "DROP MATERIALIZED VIEW {} RESTRICT",
    "table": "DROP TABLE {} RESTRICT",
}


def _tenant_server(url: str, schema: str) -> PostgresServer:
    with _raise_as_tenant_error():
        return PostgresServer.from_url(url, StoreOptions(schema=schema, prepare_statements=False))


@contextmanager
def _raise_as_tenant_error() -> Iterator[None]:
    try:
        yield
    except DatabaseURLError as error:
        raise TenantError(error.message, hint=error.hint) from error.__cause__


@contextmanager
def _transaction(
    server: PostgresServer, action: str, *, exclusive: bool = True, also: InTransaction = _do_nothing
) -> Iterator[PostgresConnection]:
    """Open a connection for one transaction.  `exclusive`: one administrator or migration at a time.

    `action`: the text of errors.  Raises TenantError, StoreUnavailable.
    """
    try:
        with server.connect() as connection, connection.transaction():
            also(connection)
            _run_script(connection, sql.SET_TRANSACTION_LIMITS, {})
            if exclusive:
                connection.execute(LOCK_SCHEMA)
            yield connection
    except SchemaTooNew as error:
        raise TenantError(f"{action}: {error.message}", hint=error.hint) from error
    except psycopg.Error as error:
        raise _tenant_error(error, action, server.name) from error


def _tenant_error(error: psycopg.Error, action: str, name: str) -> Exception:
    state = error.sqlstate or ""
    if not state or state[:2] in _SERVER_ERROR_CLASSES:
        return translate_error(error, name)
    why, hint = " ".join(str(error).split()), ""
    match state:
        case _ if state in _NAME_TAKEN_SQLSTATES:
            hint = "it was created at the same time by another administrator; `list_tenants` shows all tenants"
        case "42501":
            hint = "the administrator needs the right to create roles and schemas, and has to own the tenant's schema"
        case "55P03":
            hint = "another session has locked the schema or the tenants; try again"
        case "2BP01":
            hint = "drop or change what depends on it first"
    return TenantError(f"{action}: {why}; nothing was changed", hint=hint)


def _run_script(connection: PostgresConnection, script: str, identifiers: dict[str, compose.Composable]) -> None:
    for statement in split_statements(script):
        connection.execute(compose.SQL(statement).format(**identifiers))


def _join_role(connection: PostgresConnection, names: dict[str, compose.Composable]) -> None:
    """Make the administrator a member of the tenant's role.

    Without superuser rights only members of a role may act as it (SET ROLE), end its sessions and drop its privileges.
    """
    if not connection.execute(sql.IS_SUPERUSER).fetchone():
        connection.execute(compose.SQL(sql.GRANT_ROLE_MEMBERSHIP).format(**names))


def _identifiers(connection: PostgresConnection, schema: str, username: str) -> dict[str, compose.Composable]:
    given = {"schema": schema, "username": username, "database": connection.info.dbname}
    return {place: compose.Identifier(name) for place, name in given.items()}


def _comment_literal(username: str) -> compose.Literal:
    return compose.Literal(COMMENT_PREFIX + username)


def _find_role(connection: PostgresConnection, schema: str, username: str) -> int:
    """Return the OID of the tenant's role.  Raises TenantError for a schema that is not this tenant's."""
    row = connection.execute(sql.FIND_TENANT, (COMMENT_PREFIX, schema)).fetchone()
    if row is None:
        raise TenantNotFound(f"there is no tenant {schema!r}", hint="`list_tenants` shows them")
    has_tables, user, owner = row
    if not has_tables or user is None:
        raise TenantError(
            f"the schema {schema!r} is no tenant's: {'it was not made as one' if has_tables else 'it has no runs'}; "
            "nothing was changed",
            hint="`list_tenants` shows the tenants",
        )
    if user != username:
        raise TenantError(f"the role of tenant {schema!r} is {user!r}, not {username!r}; nothing was changed")
    if owner is not None:
        raise TenantError(f"tenant {schema!r} was made by {owner!r}; nothing was changed", hint="connect as that role")
    role = _get_role_oid(connection, username)
    if role is None:
        raise TenantNotFound(
            f"tenant {schema!r} has lost its role {username!r}", hint="drop the schema by hand if it is not needed"
        )
    return role


def _is_served(connection: PostgresConnection, schema: str) -> bool:
    """Return True if a server of the database has this tenant."""
    for name, _ in connection.execute(sql.LIST_SERVER_SCHEMAS).fetchall():
        query = compose.SQL(sql.IS_SERVED).format(schema=compose.Identifier(name))
        if connection.execute(query, (schema,)).fetchall():
            return True
    return False


def _get_role_oid(connection: PostgresConnection, username: str) -> int | None:
    row = connection.execute(sql.GET_ROLE_OID, (username,)).fetchone()
    return None if row is None else int(row[0])


def _count_sessions(connection: PostgresConnection, role: int | None) -> int:
    row = connection.execute(sql.COUNT_SESSIONS, (role,)).fetchone()
    return int(row[0]) if row else 0


def _schema_state(connection: PostgresConnection, schema: str, database_name: str) -> str:
    query = compose.SQL(sql.LIST_SCHEMA_VERSIONS).format(schema=compose.Identifier(schema))
    applied = [(number, phase, title) for number, phase, title in connection.execute(query).fetchall()]
    try:
        left = pending_migrations(applied, schemas.MIGRATIONS, database_name)
    except SchemaTooNew:
        return "newer"
    if left:
        return "behind"
    return "newer" if max(number for number, _, _ in applied) > max(m.number for m in schemas.MIGRATIONS) else "current"


def _check_idle(connection: PostgresConnection, action: str, schema: str, username: str, role: int) -> None:
    """Check that the tenant has no sessions and no leased work.  Raises TenantInUse."""
    count = _count_sessions(connection, role)
    if count:
        sessions = "1 session" if count == 1 else f"{count} sessions"
        raise TenantInUse(
            f"{action}: its role {username!r} has {sessions} connected; nothing was changed",
            hint="shut its runners down first, or end them with force",
        )
    # a runner may have connected with another role: its session is not visible, its leases are
    query = compose.SQL(sql.COUNT_LEASED_WORK).format(schema=compose.Identifier(schema))
    ((held,),) = connection.execute(query).fetchall()
    if held:
        raise TenantInUse(
            f"{action}: a runner that connects as another role has work of it ({held}); nothing was changed",
            hint="shut it down first; with force its tables are dropped under it",
        )


def _terminate_late_sessions(server: PostgresServer, role: int) -> None:
    """Terminate sessions that began while the role was being dropped; they have no privileges left."""
    try:
        with server.connect() as connection:
            connection.execute(sql.TERMINATE_SESSIONS, (TERMINATE_TIMEOUT_MS, role)).fetchall()
    except psycopg.errors.InsufficientPrivilege:
        pass  # the role is gone, so this role cannot be a member of it; its sessions have no privileges
    except psycopg.Error as error:
        raise translate_error(error, server.name) from error
