"""Pages of lists: opaque cursors that are bound to the tenant and the filter they were made with."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import replace
from typing import Annotated, Any, Final

from fastapi import Query

from holdwater.errors import InvalidArgument
from holdwater.model import validation
from holdwater.model.records import RunFilter
from holdwater.operations.run_filters import check_filter
from holdwater.operations.runs import RunPage, page_runs
from holdwater.server.refusals import RequestError
from holdwater.server.tenant_database import TenantDatabase

MAX_LIMIT: Final = 1000
DEFAULT_LIMIT: Final = 100
MAX_OFFSET: Final = 10_000
CURSOR_PATTERN: Final = "^[A-Za-z0-9_-]{4,4096}$"

MAX_INT: Final = (1 << 63) - 1
"""of a place: the largest whole number of a database"""

Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="items of a page")]
Offset = Annotated[int, Query(ge=0, le=MAX_OFFSET, description="items to leave out; a cursor has no such limit")]
Cursor = Annotated[
    str | None, Query(pattern=CURSOR_PATTERN, description="`next_cursor` of the page before, with the same filter")
]


def encode_cursor(place: list[Any], filter_parts: Any) -> str:
    """Write the place behind the last item of a page.

    `filter_parts`: JSON-safe data that stands for the list, its tenant and its filter.
    """
    text = json.dumps([_digest(filter_parts), *place], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_cursor(cursor: str, filter_parts: Any, kinds: tuple[type, ...]) -> list[Any]:
    """Read a place.  `kinds`: the types of its parts.  Raises RequestError for a cursor that is not of this filter."""
    try:
        raw = base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        digest, *rest = json.loads(raw)
    except (ValueError, TypeError, RecursionError):
        raise _invalid("the cursor is not one of this server") from None
    if digest != _digest(filter_parts):
        raise _invalid("the cursor belongs to another list or filter")
    place: list[Any] = rest
    if len(place) != len(kinds) or not all([_is_part(part, kind) for part, kind in zip(place, kinds, strict=True)]):
        raise _invalid("the cursor is not one of this server")
    return place


def read_page(tenant: TenantDatabase, which: RunFilter, cursor: str | None) -> RunPage:
    """Read a page of runs.

    Raises RequestError for a cursor of another tenant or filter, InvalidArgument, StoreUnavailable.
    """
    check_filter(which)
    mark = _digest(["executions", tenant.tenant])
    if cursor is not None:
        if not cursor.startswith(mark):
            raise _invalid("the cursor belongs to another list or filter")
        cursor = cursor.removeprefix(mark)
    try:
        page = page_runs(tenant.database.runs, which, cursor)
    except InvalidArgument as error:
        raise _invalid(error.message) from error
    older, newer = [None if one is None else mark + one for one in (page.older_cursor, page.newer_cursor)]
    return replace(page, older_cursor=older, newer_cursor=newer)


def _is_part(part: Any, kind: type) -> bool:
    """Return True for a part of a place that every database can compare with: a cursor may be forged."""
    if type(part) is not kind:
        return False
    if isinstance(part, int):
        return 0 <= part <= MAX_INT
    try:
        validation.check_search_text("a cursor", part)
    except InvalidArgument:
        return False
    return True


def _digest(filter_parts: Any) -> str:
    text = json.dumps(filter_parts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _invalid(message: str) -> RequestError:
    return RequestError(400, message, code="invalid_pagination", hint="begin again without a cursor")
