"""Places of events as texts: `7`, the end of a journal entry, or `7.1`, an event of it."""

from __future__ import annotations

import re
from typing import Final

from holdwater.events.run_events import EventPosition
from holdwater.server.refusals import RequestError

POSITION_PATTERN: Final = r"^[0-9]{1,15}(\.[0-9]{1,9})?$"


def parse_place(message_id: str) -> EventPosition:
    """Parse the place in the `id` of a message of a stream."""
    seq, _, part = message_id.partition(".")
    return int(seq), int(part)


def parse_position(text: str) -> int | EventPosition:
    """Parse a place.  Raises RequestError."""
    if not re.fullmatch(POSITION_PATTERN, text, re.ASCII):
        raise RequestError(400, f"{text[:40]!r} is no place of an event", hint="write 7, or 7.0 as in `id`")
    seq, dot, part = text.partition(".")
    return (int(seq), int(part)) if dot else int(seq)
