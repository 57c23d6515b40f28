"""Connection parameters of a PostgreSQL database, and the settings of its sessions."""

from __future__ import annotations

import re
import select
from dataclasses import dataclass, field
from typing import Any, Final

import psycopg
from psycopg import conninfo, sql
from psycopg.types.array import ListBinaryDumper

from holdwater.errors import DatabaseURLError
from holdwater.storage.options import StoreOptions
from holdwater.storage.postgres import service_file
from holdwater.storage.postgres.pipeline import PostgresConnection
from holdwater.storage.urls import mask_password

Cursor = psycopg.Cursor[tuple[Any, ...]]

DEFAULT_SCHEMA: Final = "holdwater"
# A generic plan made while a table is small is kept when it has grown: so statements find their rows by index from
# the start.  That is also the order in which they lock rows, so that two batches do not deadlock.  And a lock times
# out before the client's response timeout: then it is certain that nothing was changed.
_SESSION_SETTINGS: Final = """
    set_config('enable_seqscan', 'off', {local}),
    set_config('enable_hashjoin', 'off', {local}),
    set_config('enable_mergejoin', 'off', {local}),
    set_config('lock_timeout', coalesce(nullif(current_setting('lock_timeout'), '0'), '20s'), {local})"""

RESERVED_NAMES: Final = ("public", "information_schema", "postgres", "none")
_NAME_PATTERN: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}", re.ASCII)

_DEFAULT_PARAMETERS: Final = {
    "application_name": "holdwater",
    "connect_timeout": "10",  # seconds; libpq's default is no limit
    # a server or network that does not answer is given up after half a minute
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}

_FORCED_PARAMETERS: Final = {"client_encoding": "utf8"}
"""overrides URL, environment and database: psycopg would return bytes for a database without encoding (SQL_ASCII)"""


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A database as one store uses it.  `name`: the URL without password.  `schema`: None for the default schema."""

    parameters: dict[str, str] = field(repr=False)
    name: str
    schema: str | None
    prepare_statements: bool
    read_only: bool
    role: str | None = None
    """executes every statement, by SET ROLE; None: the role that connects"""

    @classmethod
    def from_url(cls, url: str, options: StoreOptions) -> PostgresServer:
        """Read a URL.  Raises DatabaseURLError."""
        shown = mask_password(url)
        if re.match(r"\w+://[^/?]*/[^?]*@", url):  # libpq would show the start of the password as a bad port
            raise DatabaseURLError(
                f"{shown} has a / before the @", hint="in a user or a password write %2F for /, %40 for @ and %3A for :"
            )
        if url.partition("?")[0].count("@") > 1:  # libpq would show the rest of the password as a bad host
            raise DatabaseURLError(f"{shown} has more than one @", hint="in a user or a password write %40 for @")
        try:
            parameters = {k: str(v) for k, v in conninfo.conninfo_to_dict(url).items()}
        except psycopg.Error as error:
            why = _one_line(error)
            if shown != url:  # libpq's message may quote a part of the password
                why = re.sub(r'"[^"]*"', '"***"', why)
            raise DatabaseURLError(
                f"{shown}: {why}",
                hint="write postgresql://user:password@host:5432/database?sslmode=require&application_name=app",
            ) from (error if shown == url else None)
        parameters = service_file.resolve_service(parameters, shown)
        if not parameters.get("dbname"):
            raise DatabaseURLError(
                f"{shown} names no database", hint="write it after the host: postgresql://host/database"
            )
        _check_numeric_parameters(shown, parameters)
        schema = options.schema
        if schema is not None:
            check_schema_name(schema)
        elif "search_path" not in parameters.get("options", ""):
            schema = DEFAULT_SCHEMA
        return cls(
            {**_DEFAULT_PARAMETERS, **parameters, **_FORCED_PARAMETERS},
            shown,
            schema,
            options.prepare_statements,
            options.read_only,
            options.role,
        )

    def connect(self) -> PostgresConnection:
        """Open a connection in autocommit mode.  Raises psycopg.Error."""
        connection = PostgresConnection.connect(
            **self.parameters,  # type: ignore[arg-type]
            autocommit=True,
            prepare_threshold=2 if self.prepare_statements else None,
            cursor_factory=psycopg.RawCursor,
        )
        connection.can_prepare = self.prepare_statements
        # whatever the default of the database: a statement sees what was committed while the one before it waited
        connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
        # in text format Python escapes every character of every element: 45 ms per megabyte instead of 0.5
        connection.adapters.register_dumper(list, ListBinaryDumper)
        try:
            if self.prepare_statements:
                connection.execute(self.settings_statement(local=False))
            if self.prepare_statements and self.read_only:
                connection.execute("SET default_transaction_read_only = on")
        except BaseException:
            connection.close()
            raise
        return connection

    def settings_statement(self, *, local: bool) -> sql.Composed:
        """Compose the statement of the settings for the session or, if `local`, for the transaction.

        A given schema becomes the whole search path.
        """
        is_local = sql.Literal(local)
        settings = [sql.SQL(_SESSION_SETTINGS).format(local=is_local)]
        if self.schema is not None:
            path = sql.Literal(sql.Identifier(self.schema).as_string())
            settings.append(sql.SQL("set_config('search_path', {}, {})").format(path, is_local))
        if self.role is not None:
            settings.append(sql.SQL("set_config('role', {}, {})").format(sql.Literal(self.role), is_local))
        return sql.SQL("SELECT ") + sql.SQL(", ").join(settings)

    @property
    def sets_per_transaction(self) -> bool:
        """True if sessions keep no state (transaction pooling), so that each transaction begins with the settings."""
        return not self.prepare_statements


def is_usable(connection: PostgresConnection) -> bool:
    """Return True if an idle connection is still open: a server that closes it makes it readable."""
    if connection.closed:
        return False
    readable = select.poll()
    readable.register(connection.fileno(), select.POLLIN)
    return not readable.poll(0)


def _check_numeric_parameters(masked_url: str, parameters: dict[str, str]) -> None:
    """Check the parameters that libpq checks only on connecting.  Raises DatabaseURLError."""
    for port in parameters.get("port", "").split(","):
        if port and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
            raise DatabaseURLError(f"{masked_url}: {port[:20]!r} is no port", hint="ports are 1 to 65535")
    timeout = parameters.get("connect_timeout", "0")
    if not re.fullmatch(r"-?[0-9]+", timeout, re.ASCII):
        raise DatabaseURLError(f"{masked_url}: connect_timeout={timeout[:20]!r} is no number of seconds")


def check_schema_name(name: str) -> None:
    """Check the name of a schema.  Raises DatabaseURLError (a ValueError)."""
    _check_name("Schema", name)


def check_username(name: str) -> None:
    """Check the name of a role.  Raises DatabaseURLError (a ValueError)."""
    _check_name("User", name)


def _check_name(kind: str, name: str) -> None:
    if not name:
        raise DatabaseURLError(f"{kind} name cannot be empty", hint="give each tenant a name such as tenant_a")
    if not isinstance(name, str) or not _NAME_PATTERN.fullmatch(name):
        raise DatabaseURLError(
            f"{kind} name must contain only alphanumeric characters and underscores, begin with a letter and have at "
            f"most 63 of them; {str(name)[:80]!r} does not"
        )
    if name.lower() in RESERVED_NAMES or name.lower().startswith("pg_"):
        raise DatabaseURLError(f"{kind} name {name!r} is reserved by PostgreSQL", hint="take another, such as tenant_a")


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
