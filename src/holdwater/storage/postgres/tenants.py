"""Tenants: a schema with the tables of runs, and a role that may read and write them and nothing else.

Each is made, brought up to date and removed in one transaction.  The schema belongs to the administrator and carries a
comment that names the role: who is no owner of a schema can neither write nor forge it.
"""

from __future__ import annotations

from collections.abc import Iterator
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
from holdwater.storage.postgres.errors import translate
from holdwater.storage.postgres.pipeline import Session
from holdwater.storage.postgres.server import Server, check_schema, check_username
from holdwater.storage.postgres.statements import LOCK_SCHEMA
from holdwater.storage.sql.migrations import pending
from holdwater.storage.sql.statements import split
from holdwater.storage.urls import masked

Found = tuple[str, str, str, int]
"""schema, user, state of its tables (current, behind, newer) and number of sessions"""

MARK: Final = "Holdwater tenant, role "
ENDING_MS: Final = 10_000
"""how long a session that is told to end is waited for"""

_IDENTITY: Final = ("user", "password", "passfile", "sslcert", "sslkey", "sslpassword")
_TAKEN: Final = ("42710", "42P06", "23505")
_ELSEWHERE: Final = ("08", "28", "3D", "53", "57", "58")
"""classes of states that are about the server, and not about what was asked of it"""


def check_url(url: str) -> Server:
    """Raises TenantError."""
    with _as_tenant_error():
        return Server.of(url, StoreOptions(prepare_statements=False))


def check_names(schema: str, username: str) -> None:
    """Raises TenantError."""
    with _as_tenant_error():
        check_schema(schema)
        check_username(username)


def create(url: str, schema: str, username: str, password: str) -> None:
    """Make both, with the tables.  Raises TenantError, StoreUnavailable."""
    server = _server(url, schema)
    with _transaction(server, f"tenant {schema!r} cannot be made") as connection:
        for kind, name in connection.execute(sql.LIST_TAKEN, (schema, username)).fetchall():
            raise TenantError(
                f"tenant {schema!r} cannot be made: there is a {kind} {name!r} already; nothing was changed",
                hint="take another name, or remove what is there",
            )
        names = _names(connection, schema, username)
        # computed here, so that the server's log and statistics never have the password itself
        verifier = connection.pgconn.encrypt_password(password.encode(), username.encode(), b"scram-sha-256")
        _script(
            connection,
            sql.CREATE_TENANT,
            names | {"verifier": compose.Literal(verifier.decode()), "mark": _mark(username)},
        )
        schemas.migrate(connection, server)
        _script(connection, sql.GRANT_TENANT, names)
        for what, remedy in connection.execute(sql.LIST_EXCESS, (username,)).fetchall():
            raise TenantError(
                f"tenant {schema!r} cannot be made: its role, like every other, {what}; nothing was changed",
                hint=remedy,
            )


def upgrade(url: str, schema: str, username: str) -> bool:
    """Apply what is pending, and grant anew.  Returns whether anything was.  Raises TenantError, StoreUnavailable."""
    server = _server(url, schema)
    with _transaction(server, f"tenant {schema!r} cannot be brought up to date") as connection:
        _find(connection, schema, username)
        was = _state(connection, schema, server.name)
        schemas.migrate(connection, server)
        _script(connection, sql.GRANT_TENANT, _names(connection, schema, username))
        return was != "current"


def remove(url: str, schema: str, username: str, *, force: bool) -> None:
    """Drop both.  `force`: end the sessions of the role first.  Raises TenantError, StoreUnavailable."""
    server = _server(url, schema)
    what = f"tenant {schema!r} cannot be removed"
    with _transaction(server, what) as connection:
        role = _find(connection, schema, username)
        names = _names(connection, schema, username)
        if not connection.execute(sql.IS_SUPERUSER).fetchone():
            # others may end sessions, and drop rights, only of roles they are members of
            connection.execute(compose.SQL(sql.JOIN_ROLE).format(**names))
        if force:
            connection.execute(sql.END_SESSIONS, (ENDING_MS, role)).fetchall()
        else:
            _check_idle(connection, what, schema, username, role)
        # named and without CASCADE: what others have built on these tables stays, and says so
        for kind, tables in connection.execute(sql.LIST_RELATIONS, (schema,)).fetchall():
            some = compose.SQL(", ").join(compose.Identifier(schema, table) for table in tables)
            connection.execute(compose.SQL(_DROP[kind]).format(some))
        connection.execute(compose.SQL(sql.DROP_SCHEMA).format(**names))
        owned = [thing for (thing,) in connection.execute(sql.LIST_BELONGINGS, (role,)).fetchall()]
        if owned:
            raise TenantError(
                f"{what}: its role {username!r} also owns {', '.join(owned)}; nothing was changed",
                hint=f"drop these, or REASSIGN OWNED BY {username} TO somebody else",
            )
        _script(connection, sql.DROP_ROLE, names)
    if force:
        _end_latecomers(server, role)


def find_all(url: str) -> list[Found]:
    """All tenants, by schema.  Raises TenantError, StoreUnavailable."""
    server = check_url(url)
    with _transaction(server, f"the tenants of {server.name} cannot be listed", alone=False) as connection:
        found: list[Found] = []
        for schema, username in connection.execute(sql.LIST_TENANTS, (MARK,)).fetchall():
            role = _role(connection, username)
            found.append((schema, username, _state(connection, schema, server.name), _sessions(connection, role)))
        return found


def url_of(url: str, username: str, password: str, schema: str) -> str:
    """The administrator's URL as the tenant uses it: the same place and options, another identity."""
    said = service_file.resolved({k: str(v) for k, v in conninfo.conninfo_to_dict(url).items()}, masked(url))
    given = {k: v for k, v in said.items() if k not in _IDENTITY}
    path = f'-csearch_path="{schema}"' if schema != schema.lower() else f"-csearch_path={schema}"
    given["options"] = f"{given.get('options', '')} {path}".strip()
    place = ""
    if "/" not in given.get("host", ""):  # else the host is a directory of sockets, and stands among the options
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

_DROP: Final = {
    "view": "DROP VIEW {} RESTRICT",
    "materialized view": "DROP MATERIALIZED VIEW {} RESTRICT",
    "table": "DROP TABLE {} RESTRICT",
}


def _server(url: str, schema: str) -> Server:
    with _as_tenant_error():
        return Server.of(url, StoreOptions(schema=schema, prepare_statements=False))


@contextmanager
def _as_tenant_error() -> Iterator[None]:
    try:
        yield
    except DatabaseURLError as error:
        raise TenantError(error.message, hint=error.hint) from error.__cause__


@contextmanager
def _transaction(server: Server, what: str, *, alone: bool = True) -> Iterator[Session]:
    """One transaction on a connection of its own; `alone`: one administrator, and one migration, after the other.

    `what` could not be done, if psycopg says anything.  Raises TenantError, StoreUnavailable.
    """
    try:
        with server.connect() as connection, connection.transaction():
            _script(connection, sql.SET_LIMITS, {})
            if alone:
                connection.execute(LOCK_SCHEMA)
            yield connection
    except SchemaTooNew as error:
        raise TenantError(f"{what}: {error.message}", hint=error.hint) from error
    except psycopg.Error as error:
        raise _explained(error, what, server.name) from error


def _explained(error: psycopg.Error, what: str, name: str) -> Exception:
    state = error.sqlstate or ""
    if not state or state[:2] in _ELSEWHERE:
        return translate(error, name)
    why, hint = " ".join(str(error).split()), ""
    match state:
        case _ if state in _TAKEN:
            hint = "somebody else was faster; `list_tenants` shows what there is"
        case "42501":
            hint = "the administrator needs the right to create roles and schemas, and has to own the tenant's schema"
        case "55P03":
            hint = "somebody works in the schema, or on the tenants; try again"
        case "2BP01":
            hint = "drop or change what depends on it first"
    return TenantError(f"{what}: {why}; nothing was changed", hint=hint)


def _script(connection: Session, script: str, names: dict[str, compose.Composable]) -> None:
    for statement in split(script):
        connection.execute(compose.SQL(statement).format(**names))


def _names(connection: Session, schema: str, username: str) -> dict[str, compose.Composable]:
    given = {"schema": schema, "username": username, "database": connection.info.dbname}
    return {place: compose.Identifier(name) for place, name in given.items()}


def _mark(username: str) -> compose.Literal:
    return compose.Literal(MARK + username)


def _find(connection: Session, schema: str, username: str) -> int:
    """The tenant's role.  Raises TenantError for every schema that is not this tenant's."""
    row = connection.execute(sql.FIND_TENANT, (MARK, schema)).fetchone()
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
    role = _role(connection, username)
    if role is None:
        raise TenantNotFound(
            f"tenant {schema!r} has lost its role {username!r}", hint="drop the schema by hand if nobody needs it"
        )
    return role


def _role(connection: Session, username: str) -> int | None:
    row = connection.execute(sql.GET_ROLE, (username,)).fetchone()
    return None if row is None else int(row[0])


def _sessions(connection: Session, role: int | None) -> int:
    row = connection.execute(sql.COUNT_SESSIONS, (role,)).fetchone()
    return int(row[0]) if row else 0


def _state(connection: Session, schema: str, name: str) -> str:
    query = compose.SQL(sql.LIST_VERSIONS).format(schema=compose.Identifier(schema))
    applied = [(number, phase, title) for number, phase, title in connection.execute(query).fetchall()]
    try:
        left = pending(applied, schemas.MIGRATIONS, name)
    except SchemaTooNew:
        return "newer"
    if left:
        return "behind"
    return "newer" if max(number for number, _, _ in applied) > max(m.number for m in schemas.MIGRATIONS) else "current"


def _check_idle(connection: Session, what: str, schema: str, username: str, role: int) -> None:
    """Raises TenantInUse."""
    count = _sessions(connection, role)
    if count:
        sessions = "1 session" if count == 1 else f"{count} sessions"
        raise TenantInUse(
            f"{what}: its role {username!r} has {sessions} connected; nothing was changed",
            hint="shut its runners down first, or end them with force",
        )
    # somebody else's runner: who it is does not show, but what it holds does
    query = compose.SQL(sql.COUNT_HELD_WORK).format(schema=compose.Identifier(schema))
    ((held,),) = connection.execute(query).fetchall()
    if held:
        raise TenantInUse(
            f"{what}: a runner that connects as another role has work of it ({held}); nothing was changed",
            hint="shut it down first; with force its tables are dropped under it",
        )


def _end_latecomers(server: Server, role: int) -> None:
    """Sessions that began while the role was about to go: without rights already, and now without a connection."""
    try:
        with server.connect() as connection:
            connection.execute(sql.END_SESSIONS, (ENDING_MS, role)).fetchall()
    except psycopg.errors.InsufficientPrivilege:
        pass  # nobody is a member of a role that is gone; what it leaves can do nothing
    except psycopg.Error as error:
        raise translate(error, server.name) from error
