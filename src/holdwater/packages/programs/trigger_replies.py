"""Answers of triggers that hosts have polled, which are not trusted."""

from __future__ import annotations

from typing import Final

from holdwater.errors import BadAnswer
from holdwater.model.message_framing import FrameLimits, unpack_untrusted_frame
from holdwater.model.strict_json import parse_untrusted_json
from holdwater.model.triggers import TriggerResult
from holdwater.model.values import StoredValue

MAX_CONTEXT_NAMES: Final = 10_000
_LIMITS: Final = FrameLimits(
    max_header_bytes=4 * 1024 * 1024, max_blobs=MAX_CONTEXT_NAMES, max_blob_bytes=32 * 1024 * 1024
)


def read_trigger_reply(data: bytes, name: str) -> TriggerResult:
    """Read what the trigger of this name has answered; a context has stored values.  Raises BadAnswer."""
    row, texts = unpack_untrusted_frame(data, _LIMITS)
    if type(row) is not list or len(row) != 2 or type(row[0]) is not bool:
        raise BadAnswer(f"trigger {name!r} answered with other fields than an answer has")
    fires, names = row
    if names is None:
        return TriggerResult(fires)
    if type(names) is not list or len(names) != len(texts) or not all([type(key) is str for key in names]):
        raise BadAnswer(f"trigger {name!r} answered with more or fewer values than names")
    values = {}
    for key, text in zip(names, texts):
        values[key] = value = StoredValue.from_tree(parse_untrusted_json(text, f"the context of trigger {name!r}"))
        value.text  # noqa: B018 - encoded here, not in the thread that commits it
    return TriggerResult(fires, values)
