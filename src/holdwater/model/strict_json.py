"""JSON of a process that is not trusted: its shape is checked before any of it is used.

What is kept of it is encoded anew by this process, so that no text of another process stands in a journal.
"""

from __future__ import annotations

import re
from itertools import accumulate
from typing import Any, Final

from holdwater.errors import BadAnswer
from holdwater.model import codec

MAX_SHOWN_CHARS: Final = 80
_STRING: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"')
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
_NO_BRACKETS_OR_QUOTES: Final = bytes(set(range(256)) - set(b'[]{}"'))
_STEP: Final = {ord(b"["): 1, ord(b"{"): 1, ord(b"]"): -1, ord(b"}"): -1}


def parse_untrusted_json(data: bytes, label: str, max_depth: int = codec.MAX_DEPTH) -> Any:
    """Parse a JSON text of ASCII characters.  `label`: names it in errors.

    Raises BadAnswer for any other text, numbers that no float can hold, whole numbers with more digits than Python
    reads, and more than `max_depth` levels.
    """
    try:
        tree = codec.parse_finite_json(data.decode("ascii"))
    except RecursionError as error:
        raise _too_deep(label, max_depth) from error
    except ValueError as error:
        raise BadAnswer(f"{label} is not strict JSON: {str(error)[:MAX_SHOWN_CHARS]}") from error
    if _is_deeper(data, max_depth):
        raise _too_deep(label, max_depth)
    return tree


def _too_deep(label: str, max_depth: int) -> BadAnswer:
    return BadAnswer(f"{label} is nested more than {max_depth} levels deep", hint="make it flatter, or a text")


def _is_deeper(valid_json: bytes, max_depth: int) -> bool:
    if valid_json.count(b"[") + valid_json.count(b"{") <= max_depth:
        return False
    if b"\\" not in valid_json:  # the quotes are all ends of texts, and what is between is not needed to find them
        valid_json = valid_json.translate(None, _NO_BRACKETS_OR_QUOTES).replace(b'""', b"")
    brackets = _STRING.sub(b"", valid_json).translate(None, _NO_BRACKETS)
    return max(accumulate(map(_STEP.__getitem__, brackets)), default=0) > max_depth
