"""Messages of the delivery protocol, version 1: JSON texts.

A client says `hello`, and the server `welcome`; then come `push` after `push`, which the client answers with `ack`, and
`end` when the run has ended.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any, Final

from holdwater.errors import HoldwaterError
from holdwater.events.run_events import EventPosition
from holdwater.server.parsing import parse_strict_json
from holdwater.server.refusals import RequestError

PROTOCOL_VERSION: Final = 1
MAX_FRAME_BYTES: Final = 64 * 1024
"""of a message of a client"""
PUSH_KIND: Final = "execution_event"
PARTS_PER_ENTRY: Final = 1_000_000
"""numbers of pushes that one entry of a journal may take"""
MAX_PUSH_ID: Final = (1 << 53) - 1
"""the largest whole number that is the same in every language"""

MALFORMED: Final = 4400
ACCESS_ENDED: Final = 4401
GONE: Final = 4404
TIMED_OUT: Final = 4408
WRONG_VERSION: Final = 4426
GOING_AWAY: Final = 1001
BROKEN: Final = 1011
TRY_AGAIN_LATER: Final = 1013
"""codes that a connection is closed with"""


class SocketEnd(Exception):
    """Ends a connection.  `code`: it is closed with."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


@dataclass(frozen=True, slots=True)
class Hello:
    """The first message of a client.  `after`: it has what comes up to this place."""

    after: EventPosition


@dataclass(frozen=True, slots=True)
class Ack:
    """A client has taken in what was pushed up to an id."""

    push_id: int


def parse_frame(text: str | None) -> Hello | Ack | None:
    """Parse a message of a client; None for one of a type that is not known.  Raises SocketEnd."""
    if text is None:
        raise SocketEnd(MALFORMED, "messages are texts")
    try:
        tree = parse_strict_json(text.encode(errors="surrogatepass"))
    except (RequestError, HoldwaterError):
        raise SocketEnd(MALFORMED, "a message is no JSON text") from None
    if not isinstance(tree, dict):
        raise SocketEnd(MALFORMED, "a message is no JSON object")
    if tree.get("type") not in ("hello", "ack"):
        return None
    if tree.get("protocol_version", PROTOCOL_VERSION) != PROTOCOL_VERSION:
        raise SocketEnd(WRONG_VERSION, f"this server speaks version {PROTOCOL_VERSION} of the protocol")
    if tree["type"] == "hello":
        return Hello(_position(tree.get("since_id")))
    return Ack(_number(tree.get("id"), "id"))


def push_id(position: EventPosition) -> int:
    """Return the number of the push of an event."""
    seq, part = position
    return seq * PARTS_PER_ENTRY + min(part, PARTS_PER_ENTRY - 1)


def welcome() -> str:
    """Create the answer to a hello."""
    return _encode({"type": "welcome", "protocol_version": PROTOCOL_VERSION})


def push(position: EventPosition, recipient: str, tenant: str, payload: bytes) -> str:
    """Create the push of an event.  `payload`: JSON text."""
    return _encode(
        {
            "type": "push",
            "protocol_version": PROTOCOL_VERSION,
            "id": push_id(position),
            "kind": PUSH_KIND,
            "recipient": recipient,
            "tenant_id": tenant,
            "payload_b64": base64.b64encode(payload).decode("ascii"),
        }
    )


def end(status: str) -> str:
    """Create the message that the run has ended, and everything of it was pushed."""
    return _encode({"type": "end", "protocol_version": PROTOCOL_VERSION, "status": status})


def _position(since_id: Any) -> EventPosition:
    if since_id is None:
        return (0, PARTS_PER_ENTRY)
    return divmod(_number(since_id, "since_id"), PARTS_PER_ENTRY)


def _number(value: Any, name: str) -> int:
    if type(value) is not int or not 0 <= value <= MAX_PUSH_ID:
        raise SocketEnd(MALFORMED, f"{name} is the id of a push: a whole number")
    return value


def _encode(tree: dict[str, Any]) -> str:
    return json.dumps(tree, separators=(",", ":"))
