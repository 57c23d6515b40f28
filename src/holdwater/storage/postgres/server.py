"""Where a database is, and how its connections are made."""

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
# A plan made while a table is small is kept when it has grown: so statements find their rows by key from the start.
# That is also the order in which they lock them, so that two batches wait for each other and never for ever.  And a
# lock is given up sooner than a client's own patience ends: then it is certain that nothing was changed.
_SESSION_SETTINGS: Final = """
    set_config('enable_seqscan', 'off', {local}),
    set_config('enable_hashjoin', 'off', {local}),
    set_config('enable_mergejoin', 'off', {local}),
    set_config('lock_timeout', coalesce(nullif(current_setting('lock_timeout'), '0'), '20s'), {local})"""

RESERVED_NAMES: Final = ("public", "information_schema", "postgres", "none")
_NAME_PATTERN: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}", re.ASCII)

_DEFAULT_PARAMETERS: Final = {
    "application_name": "holdwater",
    "connect_timeout": "10",  # seconds; libpq waits for ever
    # a server that hangs, or a network that swallows everything, is given up after half a minute
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}

_FORCED_PARAMETERS: Final = {"client_encoding": "utf8"}
"""Whatever the URL, the environment or the database says: of a database without an encoding (SQL_ASCII) the driver
would give bytes."""


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A database as one store uses it.  `name`: for people, without the password.  `schema`: None is the URL's own."""

    parameters: dict[str, str] = field(repr=False)
    name: str
    schema: str | None
    prepare_statements: bool
    read_only: bool

    @classmethod
    def from_url(cls, url: str, options: StoreOptions) -> PostgresServer:
        """Raises DatabaseURLError."""
        shown = mask_password(url)
        if re.match(r"\w+://[^/?]*/[^?]*@", url):  # libpq would take the password's beginning for a port, and say it
            raise DatabaseURLError(
                f"{shown} has a / before the @", hint="in a user or a password write %2F for /, %40 for @ and %3A for :"
            )
        if url.partition("?")[0].count("@") > 1:  # libpq would take the rest of the password for the host, and say it
            raise DatabaseURLError(f"{shown} has more than one @", hint="in a user or a password write %40 for @")
        try:
            parameters = {k: str(v) for k, v in conninfo.conninfo_to_dict(url).items()}
        except psycopg.Error as error:
            why = _one_line(error)
            if shown != url:  # what libpq quotes may be a part of the password
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
        )

    def connect(self) -> PostgresConnection:
        """A connection in autocommit mode.  Raises psycopg.Error."""
        connection = PostgresConnection.connect(
            **self.parameters,  # type: ignore[arg-type]
            autocommit=True,
            prepare_threshold=2 if self.prepare_statements else None,
            cursor_factory=psycopg.RawCursor,
        )
        connection.can_prepare = self.prepare_statements
        # as text, every character of every element would be looked at in Python: 45 ms for a megabyte instead of 0.5
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
        """The statement that sets what ours rely on, until the end of the session or, `local`, of the transaction.

        A schema becomes the only one seen.
        """
        text = f"SELECT {_SESSION_SETTINGS}"
        if self.schema is None:
            return sql.SQL(text).format(local=sql.Literal(local))
        path = sql.Literal(sql.Identifier(self.schema).as_string())
        return sql.SQL(text + ", set_config('search_path', {path}, {local})").format(
            local=sql.Literal(local), path=path
        )

    @property
    def sets_per_transaction(self) -> bool:
        """Sessions keep nothing, so each transaction says how and where it works."""
        return not self.prepare_statements


def is_usable(connection: PostgresConnection) -> bool:
    """Whether an idle connection is still one: what a server that ends sends makes it readable."""
    if connection.closed:
        return False
    readable = select.poll()
    readable.register(connection.fileno(), select.POLLIN)
    return not readable.poll(0)


def _check_numeric_parameters(masked_url: str, parameters: dict[str, str]) -> None:
    """Raises DatabaseURLError for what libpq would complain of only when it connects."""
    for port in parameters.get("port", "").split(","):
        if port and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
            raise DatabaseURLError(f"{masked_url}: {port[:20]!r} is no port", hint="ports are 1 to 65535")
    timeout = parameters.get("connect_timeout", "0")
    if not re.fullmatch(r"-?[0-9]+", timeout, re.ASCII):
        raise DatabaseURLError(f"{masked_url}: connect_timeout={timeout[:20]!r} is no number of seconds")


def check_schema_name(name: str) -> None:
    """Raises DatabaseURLError (a ValueError)."""
    _check_name("Schema", name)


def check_username(name: str) -> None:
    """Raises DatabaseURLError (a ValueError)."""
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
