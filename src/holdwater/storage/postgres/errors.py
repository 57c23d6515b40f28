"""Translation of psycopg's errors into errors with a cause and a hint."""

from __future__ import annotations

from typing import Final

import psycopg

from holdwater.errors import (
    HoldwaterError,
    StoreError,
    StoreReadOnly,
    StoreUnavailable,
    StoreUnreachable,
    StoreUnusable,
)

RETRYABLE_SQLSTATES: Final = ("40001", "40P01")
"""serialization failure, deadlock: nothing was committed, and a retry can succeed"""

_HINTS: Final = {
    "28": "look at the user, the password and pg_hba.conf",
    "3D": "create the database first: CREATE DATABASE",
    "SSL": "turn on ssl at the server, or take sslmode=require out of the URL",
    "53100": "free some space on the server's disk; work goes on by itself then",
    "53200": "give the server more memory; work goes on by itself then",
    "53300": "lower db_pool_size, or raise max_connections of the server",
    "57P01": "the server is being stopped or an administrator ended the connection; work goes on by itself afterwards",
    "57P03": "the server is starting up or shutting down; work goes on by itself afterwards",
}

_CONNECTION_REFUSALS: Final = (
    ("password authentication failed", "28"),
    ("no pg_hba.conf entry", "28"),
    ('FATAL: role "', "28"),
    ('FATAL: database "', "3D"),
    ("too many clients", "53300"),
    ("too many connections", "53300"),
    ("connection slots", "53300"),
    ("is starting up", "57P03"),
    ("is shutting down", "57P03"),
    ("recovery mode", "57P03"),
    ("does not support SSL", "SSL"),
)
"""messages of a refused connection, for which libpq reports no SQLSTATE, and the state each of them means"""


_VALUE_ERROR_CLASSES: Final = ("22", "23", "54")
"""SQLSTATE classes caused by the values of a statement: data exception, integrity constraint, program limit"""

_SCHEMA_ERROR_CLASSES: Final = ("42", "3F")
"""SQLSTATE classes caused by the schema: a table, a column, a schema or a privilege is missing"""


def translate_error(error: psycopg.Error, name: str) -> HoldwaterError:
    """Translate to the error to raise `from` this one.  The transaction is assumed to be rolled back."""
    why = " ".join(str(error).split())
    state = error.sqlstate or next((state for words, state in _CONNECTION_REFUSALS if words in why), "")
    hint = _HINTS.get(state) or _HINTS.get(state[:2], "")
    if state == "25006":
        return StoreReadOnly(f"{name} takes no changes ({why})", hint="connect to the primary server")
    if state[:2] in _VALUE_ERROR_CLASSES:
        return StoreError(f"{name} cannot take a value: {why}; nothing was changed")
    if state[:2] in _SCHEMA_ERROR_CLASSES:
        return StoreUnusable(
            f"{name} refused a statement: {why}",
            hint="the role needs its schema and this version's tables in it: open it once with a role that may create "
            "them, or for tenants run `holdwater tenants upgrade`",
        )
    if isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError)) or state[:2] in ("08", "53", "57", "58"):
        return StoreUnavailable(f"{name} cannot be used now: {why}", hint=hint or "look at the server and the network")
    if state in RETRYABLE_SQLSTATES:
        return StoreUnavailable(f"{name} was too busy with other changes to the same rows: {why}; nothing was changed")
    return StoreError(f"{name} refused a statement: {why}; nothing was changed", hint=hint)


def as_unreachable(error: HoldwaterError) -> HoldwaterError:
    """Turn StoreUnavailable into StoreUnreachable, for a first connection: the URL may be wrong."""
    if type(error) is StoreUnavailable:
        return StoreUnreachable(error.message, hint=error.hint)
    return error
