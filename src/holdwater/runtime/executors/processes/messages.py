"""Messages of a worker to its runner, which trusts none of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from holdwater.errors import BadAnswer
from holdwater.model.message_framing import FrameLimits, ReadExactly, read_untrusted_frame
from holdwater.model.node_messages import MAX_ANSWER_BYTES, MAX_RESULT_HEADER_BYTES

MAX_MESSAGE_HEADER_BYTES: Final = 64 * 1024
MAX_LEVEL_CHARS: Final = 100
"""of the name of a level of logging"""
_LIMITS: Final = FrameLimits(MAX_MESSAGE_HEADER_BYTES, 1, MAX_ANSWER_BYTES + 2 * MAX_RESULT_HEADER_BYTES)
_NONE: Final = type(None)
Shapes = Mapping[str, tuple[int, tuple[tuple[type, ...], ...]]]
"""kind of a message -> number of its parts, and the types of its fields after the number of the call"""
FUNCTION_MESSAGES: Final[Shapes] = {
    "log": (1, ((str,), (str,))),
    "output": (1, ((str,),)),
    "defer": (0, ()),
    "resume": (0, ((int, _NONE),)),
    "take": (0, ()),
    "child": (1, ((int,),)),
    "secret": (0, ((int,), (str,), (str,))),
}
"""messages of a function that runs"""
WORKER_MESSAGES: Final[Shapes] = {"done": (1, ()), **FUNCTION_MESSAGES}


@dataclass(frozen=True, slots=True)
class WorkerMessage:
    """A message of a call: its answer (done), what it logs and prints, its slot (defer, resume, take), a request.

    `call_id`: the call it belongs to.  `part`: its bytes beside the fields.
    """

    kind: str
    call_id: int
    fields: tuple[Any, ...]
    part: bytes


def read_message(read_exactly: ReadExactly, shapes: Shapes = WORKER_MESSAGES) -> WorkerMessage:
    """Read the next message, one of these shapes.  Raises BadAnswer for others; errors of `read_exactly` propagate."""
    data, parts = read_untrusted_frame(read_exactly, _LIMITS)
    kind: Any
    call_id: Any
    kind, call_id, *fields = data if type(data) is list and len(data) > 1 else (None, None)
    count, types = shapes.get(kind, (-1, ())) if type(kind) is str else (-1, ())
    if (
        len(parts) != count
        or len(fields) != len(types)
        or not all([type(field) in kinds for field, kinds in zip((call_id, *fields), ((int,), *types))])
    ):
        raise BadAnswer(f"no worker says {str(data)[:80]} with {len(parts)} parts")
    return WorkerMessage(kind, call_id, tuple(fields), parts[0] if parts else b"")
