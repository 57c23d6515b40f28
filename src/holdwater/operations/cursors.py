"""Opaque cursors of lists of runs: a position, and the filter it belongs to."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from dataclasses import astuple, replace
from typing import Final

from holdwater.errors import InvalidArgument
from holdwater.model.records import Cursor, RunFilter
from holdwater.model.time import Micros

MAX_CURSOR_CHARS: Final = 4_000
_INSTANT_RANGE: Final = range(-(1 << 63), 1 << 63)


def encode_cursor(which: RunFilter, position: Cursor, *, newer: bool) -> str:
    """Encode the position from which a list goes on."""
    content = json.dumps([_digest(which), int(newer), *position], separators=(",", ":"))
    return base64.urlsafe_b64encode(content.encode()).decode().rstrip("=")


def decode_cursor(cursor: str, which: RunFilter) -> RunFilter:
    """Return the filter with its place set to that of a cursor.

    Raises InvalidArgument for a cursor of another filter, or a text that is none.
    """
    try:
        if not isinstance(cursor, str) or len(cursor) > MAX_CURSOR_CHARS:
            raise ValueError("not one of ours")
        content = base64.b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        digest, newer, at, run_id = json.loads(content)
        if newer not in (0, 1) or type(at) is not int or at not in _INSTANT_RANGE or not isinstance(run_id, str):
            raise ValueError("not one of ours")
    except (ValueError, TypeError, binascii.Error, RecursionError) as error:
        raise InvalidArgument("this is no cursor of a list of runs", hint="take it from a page of the list") from error
    if digest != _digest(which):
        raise InvalidArgument("the cursor belongs to a list with another filter", hint="begin with the first page")
    return replace(which, cursor=(Micros(at), run_id), newer=newer == 1, before_id=None, offset=0)


def _digest(which: RunFilter) -> str:
    """Return a digest of what a filter selects.

    Its page does not count, nor its span: "the last hour" is another one at each request.
    """
    selection = replace(
        which.without_page(),
        limit=0,
        labels=dict(sorted(which.labels.items())),
        since=None,
        until=None,
        ended_since=None,
        ended_until=None,
    )
    content = json.dumps([which.is_listed_by_end, *astuple(selection)])
    return hashlib.sha256(content.encode()).hexdigest()[:12]
