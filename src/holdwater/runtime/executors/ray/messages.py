"""Messages between a runner, the process that speaks with Ray, and Ray workers.

What comes from a worker is not trusted by either; nor is the process, which unpickles what workers return.  A message
of the process that is about no call has the number 0.
"""

from __future__ import annotations

from typing import Final

from holdwater.model import message_framing
from holdwater.runtime.executors.processes.messages import FUNCTION_MESSAGES, Shapes, WorkerMessage

NO_CALL: Final = 0
RAY_WORKER_MESSAGES: Final[Shapes] = {**FUNCTION_MESSAGES, "begun": (0, ((str,),)), "end": (0, ())}
"""of a worker; `begun` with the node it is on"""
DRIVER_MESSAGES: Final[Shapes] = {
    **FUNCTION_MESSAGES,
    "ready": (0, ()),
    "unreachable": (1, ()),
    "gone": (1, ()),
    "begun": (0, ()),
    "done": (1, ()),
    "lost": (1, ()),
    "failed": (1, ()),
    "infeasible": (1, ()),
}
"""of the process; the last four end a call, with its answer or with a text"""


def frame_of(message: WorkerMessage) -> list[bytes]:
    """The frame of a message that is passed on."""
    parts = [message.part] if DRIVER_MESSAGES[message.kind][0] else []
    return message_framing.frame_parts([message.kind, message.call_id, *message.fields], *parts)
