"""Messages of streams, in the format of server-sent events."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

RETRY: Final = b"retry: 2000\n\n"
"""milliseconds after which a browser connects again"""


def message(event: str, data: Any, message_id: str = "") -> bytes:
    """Encode a message.  `message_id`: the place a browser goes on behind when it connects again; empty for none."""
    place = f"id: {message_id}\n" if message_id else ""
    return f"{place}event: {event}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n".encode()


def split_messages(chunk: bytes) -> Iterator[tuple[str, bytes, str]]:
    """Yield the messages of a chunk: event, data, id."""
    for text in chunk.split(b"\n\n"):
        fields = dict([line.split(b": ", 1) for line in text.split(b"\n") if b": " in line])
        if b"event" in fields:
            yield fields[b"event"].decode(), fields[b"data"], fields.get(b"id", b"").decode()


BEAT: Final = message("beat", {})
BYE: Final = message("bye", {})
RESYNC: Final = message("resync", {})
