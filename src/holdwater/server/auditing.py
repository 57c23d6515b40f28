"""Requests in the audit log of a server: what is asked for before it is done, and what came of it; refusals."""

from __future__ import annotations

import logging
from contextvars import ContextVar
from typing import Final

from fastapi.concurrency import run_in_threadpool
from starlette.requests import Request

from holdwater.errors import StoreUnavailable
from holdwater.server.access import STRANGER, author_of, caller_of
from holdwater.server.client_addresses import address_of
from holdwater.server.control.audit import AuditFacts, Outcome
from holdwater.server.control.tables import ServerTables
from holdwater.server.errors import REQUEST_ID
from holdwater.server.rate_limits import RateLimits
from holdwater.server.refusals import ERROR_CODE
from holdwater.server.rendering import path_below_root

STRANGER_AUTHOR: Final = "unknown"
_ENTRY: Final = "holdwater.audit_entry"
"""key of the number of the row, in the ASGI scope"""
_CHANGES: Final = "holdwater.audited_change"
"""key in the ASGI scope of a request that `expect_change` was called for"""
_EXPECTED: Final[ContextVar[Request | None]] = ContextVar("holdwater_expected_change", default=None)
_REFUSED: Final = frozenset({401, 403})
_LOG: Final = logging.getLogger("holdwater.server")


def audit_facts(request: Request) -> AuditFacts:
    """Return the author of a request, its id and its address."""
    by = STRANGER_AUTHOR if caller_of(request) is STRANGER else author_of(request)
    return AuditFacts(by, str(request.scope.get(REQUEST_ID, "")), address_of(request))


async def note_change(request: Request) -> None:
    """Add a row about a request that is going to change something, before it does.  Raises StoreUnavailable."""
    if _tables_of(request) is not None:
        await run_in_threadpool(_add_entry, request)


def expect_change(request: Request) -> None:
    """Have a row added about a request once it is known to be valid, by `note_expected_change`, or with its refusal."""
    if _tables_of(request) is not None:
        request.scope[_CHANGES] = True
        _EXPECTED.set(request)


def note_expected_change() -> None:
    """Add the row about the request of this context, if it changes something.  Blocks.  Raises StoreUnavailable."""
    request = _EXPECTED.get()
    if request is not None:
        _add_entry(request)


async def note_expected_change_async() -> None:
    """Do the same in an event loop.  Raises StoreUnavailable."""
    if _EXPECTED.get() is not None:
        await run_in_threadpool(note_expected_change)


def _add_entry(request: Request, outcome: Outcome = "asked", code: str = "") -> None:
    tables = _tables_of(request)
    assert tables is not None
    facts, tenant, target = audit_facts(request), _tenant_of(request), _target_of(request)
    request.scope[_ENTRY] = tables.audit.add(facts, _verb_of(request), tenant, target, outcome, code)


async def note_outcome(request: Request, status: int | None) -> None:
    """Set what came of a change, and add a row about a request that was refused.

    `status`: of the response; None: there was none.  A row that cannot be added is in the log of the
    process: the client has its response already, and its connection goes on.
    """
    tables = _tables_of(request)
    if tables is None:
        return
    try:
        await _record_outcome(tables, request, status)
    except StoreUnavailable as error:
        _LOG.warning(
            "request %s: its outcome (%s, status %s) is not in the audit log: %s",
            request.scope.get(REQUEST_ID, ""), _verb_of(request), status, error.message,
        )  # fmt: skip


async def _record_outcome(tables: ServerTables, request: Request, status: int | None) -> None:
    code, entry = str(request.scope.get(ERROR_CODE, "")), request.scope.get(_ENTRY)
    if entry is not None:
        tables.audit.set_outcome_soon(entry, _outcome_of(status, code), code)
    elif status in _REFUSED:
        if _is_recorded(request):
            await run_in_threadpool(_add_entry, request, "refused", code)
    elif _CHANGES in request.scope:  # it was refused as invalid, or answered as it was before
        await run_in_threadpool(_add_entry, request, _outcome_of(status, code), code)


def _outcome_of(status: int | None, code: str) -> Outcome:
    if status is None or status >= 500:
        return "failed"
    return "refused" if status >= 400 or code else "done"


def _is_recorded(request: Request) -> bool:
    """Return False for callers without access that have filled enough rows."""
    rates: RateLimits | None = getattr(request.app.state.policy, "rates", None)
    if caller_of(request) is not STRANGER or rates is None:
        return True
    return not rates.recorded_refusals.take(address_of(request))


def _tables_of(request: Request) -> ServerTables | None:
    found: ServerTables | None = request.app.state.control
    return found


def _verb_of(request: Request) -> str:
    """Return the operation; of a request that was refused before it was known, the method."""
    return getattr(request.scope.get("route"), "name", None) or request.method.lower()


def _tenant_of(request: Request) -> str | None:
    """Return the tenant in whose log a request is: that of its path, or of a caller that has no role there."""
    tenant: str | None = request.path_params.get("tenant")
    caller = caller_of(request)
    if tenant is not None and caller.role_in(tenant) is None:  # the log of a tenant has nothing of others
        return caller.tenant or None
    return tenant


def _target_of(request: Request) -> str:
    return path_below_root(request)
