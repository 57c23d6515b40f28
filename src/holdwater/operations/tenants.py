"""DatabaseAdmin: tenants of a PostgreSQL database, a schema and a role each."""

from __future__ import annotations

import secrets
import string
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, Literal, NoReturn

from holdwater.errors import DatabaseURLError, EncodingError, RunnerClosed, TenantError

if TYPE_CHECKING:  # psycopg's part: SQLite does not need it
    from holdwater.storage.postgres.tenants import InTransaction

GENERATED_PASSWORD_LENGTH: Final = 32
_PASSWORD_ALPHABET: Final = string.ascii_letters + string.digits
_REDACTED: Final = "***"


class _SecretValue:
    """Shows no secret by accident: not as text, not in a log, not in a pickle, not in a context.  Cannot be changed.

    No dataclass, because whatever takes dataclasses apart would store the fields.
    """

    __slots__: tuple[str, ...] = ()
    _secret_fields: tuple[str, ...] = ()

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} cannot be changed")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} cannot be changed")

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self._field_values() == other._field_values()

    def __hash__(self) -> int:
        return hash((type(self), self._field_values()))

    def __repr__(self) -> str:
        shown = [
            f"{name}={_REDACTED!r}" if name in self._secret_fields and value else f"{name}={value!r}"
            for name, value in zip(self.__slots__, self._field_values(), strict=True)
        ]
        return f"{type(self).__name__}({', '.join(shown)})"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise EncodingError(
            f"{type(self).__name__} holds a password and cannot be pickled",
            hint="take the attributes you need, and store the password where secrets are stored",
        )

    def __copy__(self) -> _SecretValue:
        return self

    def __deepcopy__(self, memo: object) -> _SecretValue:
        return self

    def _field_values(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in self.__slots__)


class TenantConfig(_SecretValue):
    """A tenant to be made.  No `password`, or an empty one: one of 32 letters and digits is generated."""

    __slots__ = ("schema_name", "username", "password")  # noqa: RUF023 - the order of the arguments
    _secret_fields = ("password",)

    schema_name: str
    username: str
    password: str | None

    def __init__(self, schema_name: str, username: str, password: str | None = None) -> None:
        object.__setattr__(self, "schema_name", schema_name)
        object.__setattr__(self, "username", username)
        object.__setattr__(self, "password", password)


class TenantCredentials(_SecretValue):
    """The credentials of a tenant.

    `connection_string`: a URL with user, password and schema, for `DefaultRunner(url)`,
    `DefaultRunner.with_schema(url, schema_name)` and `psql`.
    """

    __slots__ = ("username", "password", "schema_name", "connection_string")  # noqa: RUF023
    _secret_fields = ("password", "connection_string")

    username: str
    password: str
    schema_name: str
    connection_string: str

    def __init__(self, username: str, password: str, schema_name: str, connection_string: str) -> None:
        object.__setattr__(self, "username", username)
        object.__setattr__(self, "password", password)
        object.__setattr__(self, "schema_name", schema_name)
        object.__setattr__(self, "connection_string", connection_string)


@dataclass(frozen=True, slots=True)
class Tenant:
    """`state` of its tables: "behind" and "newer" are not this version's.  `sessions`: connections of its role now."""

    schema_name: str
    username: str
    state: Literal["current", "behind", "newer"]
    sessions: int


class DatabaseAdmin:
    """Makes and removes tenants with the rights of the URL's role, which has to create roles and schemas.

    Every call has a connection of its own and closes it, and is one transaction: all of it happens, or nothing.
    May be shared by threads.  A context manager.

    Raises TenantError (a RuntimeError and a ValueError) for a URL that is no PostgreSQL URL or names no database.
    """

    def __init__(self, database_url: str) -> None:
        self._closed = False
        self._url = database_url
        self._display_url = _check_database_url(database_url)

    def create_tenant(self, config: TenantConfig, *, also: InTransaction | None = None) -> TenantCredentials:
        """Create a schema with the tables of runs, and a role that may only read and write these tables.

        `also`: called with the connection in the transaction, before anything is made, for what is to be done with it
        or not at all.

        Raises TenantError for a name that cannot be used or is taken, for a database where every role may create things
        in `public`, for one that a server serves (unless `also` makes it known there), and for want of rights;
        StoreUnavailable.  Then nothing was made.
        """
        tenants = self._get_tenants_module()
        if not isinstance(config, TenantConfig):
            raise TenantError(f"create_tenant takes a TenantConfig, not {type(config).__name__}")
        schema, username = config.schema_name, config.username
        tenants.check_names(schema, username)
        password = config.password or "".join(
            secrets.choice(_PASSWORD_ALPHABET) for _ in range(GENERATED_PASSWORD_LENGTH)
        )
        _check_password(password)
        tenants.create_tenant(self._url, schema, username, password, *(() if also is None else (also,)))
        return TenantCredentials(username, password, schema, tenants.tenant_url(self._url, username, password, schema))

    def remove_tenant(
        self, schema_name: str, username: str, *, force: bool = False, also: InTransaction | None = None
    ) -> None:
        """Drop the schema with everything in it, and the role.  There is no way back.

        `force`: end the sessions of the role, on all databases of the server, instead of refusing.  `also`: as for
        `create_tenant`.

        Raises TenantNotFound, TenantInUse while the role is connected or a runner executes its work, TenantError for a
        schema that is not this tenant's, for tables that objects outside of it depend on, for a role that owns objects
        elsewhere; StoreUnavailable.  Then nothing was removed.
        """
        tenants = self._get_tenants_module()
        tenants.check_names(schema_name, username)
        more = {} if also is None else {"also": also}
        tenants.remove_tenant(self._url, schema_name, username, force=force, **more)

    def check_idle(self, schema_name: str, username: str) -> None:
        """Check that a tenant can be removed without force.

        Raises TenantInUse while its role is connected or a runner executes its work, TenantNotFound, TenantError,
        StoreUnavailable.
        """
        tenants = self._get_tenants_module()
        tenants.check_names(schema_name, username)
        tenants.check_idle(self._url, schema_name, username)

    def has_server(self) -> bool:
        """Return True if `holdwater serve` has its tables in the default schema: its tenants are made by it.

        Raises TenantError, StoreUnavailable.
        """
        return bool(self._get_tenants_module().has_server(self._url))

    def list_tenants(self) -> list[Tenant]:
        """All tenants of the database, by schema.  Raises TenantError, StoreUnavailable."""
        return [Tenant(*row) for row in self._get_tenants_module().list_tenants(self._url)]

    def upgrade_tenant(self, schema_name: str, username: str) -> bool:
        """Bring the tables of one tenant to this version's; returns False if they were.

        Raises TenantNotFound, TenantError, StoreUnavailable.
        """
        tenants = self._get_tenants_module()
        tenants.check_names(schema_name, username)
        return bool(tenants.upgrade_tenant(self._url, schema_name, username))

    def upgrade_tenants(self) -> list[str]:
        """Bring the tables of every tenant to this version's; their own roles may not.

        Returns the schemas that were behind.  Raises TenantError, when all others have been done, with what is in the
        way of some (each is a transaction of its own); StoreUnavailable.
        """
        tenants, upgraded, failed = self._get_tenants_module(), [], []
        for schema, username, state, _ in tenants.list_tenants(self._url):
            if state == "newer":
                continue
            try:
                if tenants.upgrade_tenant(self._url, schema, username):
                    upgraded.append(schema)
            except TenantError as error:
                failed.append(error.message)
        if failed:
            raise TenantError("; ".join(failed), hint="the other tenants are up to date; this can be repeated")
        return upgraded

    def close(self) -> None:
        """Refuse further calls.  No connection is open between calls."""
        self._closed = True

    def __enter__(self) -> DatabaseAdmin:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"DatabaseAdmin({self._display_url!r}{', closed' if self._closed else ''})"

    def _get_tenants_module(self) -> ModuleType:
        if self._closed:
            raise RunnerClosed("this DatabaseAdmin was closed", hint="make a new one")
        return _import_tenants_module()


def _import_tenants_module() -> ModuleType:
    """Import psycopg's part on demand, so that SQLite does not need it."""
    try:
        from holdwater.storage.postgres import tenants
    except ModuleNotFoundError as error:
        raise TenantError(
            "PostgreSQL needs the driver psycopg, which is not installed", hint="pip install 'holdwater[postgres]'"
        ) from error
    return tenants


def _check_database_url(url: object) -> str:
    """Check a URL; returns it without password, for messages.  Raises TenantError."""
    from holdwater.storage.urls import parse_url

    if not isinstance(url, str):
        raise TenantError(f"a database URL is a string, not {type(url).__name__}")
    try:
        dialect = parse_url(url).dialect
    except DatabaseURLError as error:
        raise TenantError(f"DatabaseAdmin requires a PostgreSQL connection: {error.message}", hint=error.hint) from None
    if dialect != "postgresql":
        raise TenantError(
            f"DatabaseAdmin requires a PostgreSQL connection: tenants are schemas, and {dialect} has none",
            hint="use one SQLite file per tenant, or write postgresql://user@host/database",
        )
    return str(_import_tenants_module().parse_admin_url(url).name)


def _check_password(password: object) -> None:
    if not isinstance(password, str) or "\0" in password or not password.isprintable():
        raise TenantError("a password is a text of printable characters", hint="leave it out to have one generated")
