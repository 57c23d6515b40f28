"""Messages of streams, in the format of server-sent events."""

from __future__ import annotations

import json
from typing import Any, Final

RETRY: Final = b"retry: 2000\n\n"
"""milliseconds after which a browser connects again"""


def message(event: str, data: Any, message_id: str = "") -> bytes:
    """Encode a message.  `message_id`: the place a browser goes on behind when it connects again; empty for none."""
    place = f"id: {message_id}\n" if message_id else ""
    return f"{place}event: {event}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n".encode()


BEAT: Final = message("beat", {})
BYE: Final = message("bye", {})
RESYNC: Final = message("resync", {})
