"""JSON as people edit it: strictly read, and written so that a browser gives it back as it is."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from typing import Any, Final, NoReturn

_NOT_SHOWN: Final = re.compile("[\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")


def write_json(value: Any, *, indent: int | None = None) -> str:
    """Write a JSON value; characters that a browser may change are escapes."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    return _NOT_SHOWN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def read_json(text: str) -> Any:
    """Read JSON.  Raises ValueError also for NaN, infinities, keys that are there twice, and too deep a nesting."""
    try:
        return json.loads(
            text, parse_constant=_reject_constant, parse_float=_parse_finite, object_pairs_hook=_unique_keys
        )
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def is_same_json(one: Any, other: Any) -> bool:
    """Return True if two JSON values are the same: true is not 1, and 1 is not 1.0."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _reject_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def _parse_finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:40]} is too large a number")
    return number


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        ((twice, _),) = Counter([key for key, _ in pairs]).most_common(1)
        raise ValueError(f"the key {twice!r} is there twice")
    return found
