"""What PostgreSQL reports, as errors that say what, why and how to fix it."""

from __future__ import annotations

from typing import Final

import psycopg

from penstock.model.errors import PenstockError, StoreError, StoreReadOnly, StoreUnavailable, StoreUnreachable

RETRYABLE: Final = ("40001", "40P01")
"""serialization failure, deadlock: nothing happened, and the same again will work"""

_HINTS: Final = {
    "28": "look at the user, the password and pg_hba.conf",
    "3D": "create the database first: CREATE DATABASE",
    "53100": "free some space on the server's disk; work goes on by itself then",
    "53200": "give the server more memory; work goes on by itself then",
    "53300": "lower db_pool_size, or raise max_connections of the server",
    "57P01": "the server is being stopped or somebody ended the connection; work goes on by itself afterwards",
    "57P03": "the server is starting up or shutting down; work goes on by itself afterwards",
}


def translate(error: psycopg.Error, name: str) -> PenstockError:
    """The error to raise `from` this one.  The transaction it ended is assumed to be rolled back."""
    why = " ".join(str(error).split())
    state = error.sqlstate or ""
    hint = _HINTS.get(state) or _HINTS.get(state[:2], "")
    if state == "25006":
        return StoreReadOnly(f"{name} takes no changes ({why})", hint="connect to the primary server")
    if state in ("42501", "42P01", "3F000"):
        return StoreError(
            f"{name} refused a statement: {why}",
            hint="the role needs its schema and this version's tables in it: open it once with a role that may create "
            "them, or for tenants run `penstock tenants upgrade`",
        )
    if isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError)) or state[:2] in ("08", "53", "57", "58"):
        return StoreUnavailable(f"{name} cannot be used now: {why}", hint=hint or "look at the server and the network")
    if state in RETRYABLE:
        return StoreUnavailable(f"{name} was too busy with other changes to the same rows: {why}; nothing was changed")
    return StoreError(f"{name} refused a statement: {why}; nothing was changed", hint=hint)


def at_opening(error: PenstockError) -> PenstockError:
    """The same for whoever gave the URL: it may be what is wrong."""
    if type(error) is StoreUnavailable:
        return StoreUnreachable(error.message, hint=error.hint)
    return error
