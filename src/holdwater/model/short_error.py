"""The error of a run in a line of a list."""

from __future__ import annotations

import re
from typing import Final

MAX_TASK_CHARACTERS: Final = 24
"""of the task before the error"""
_TASK_ERROR: Final = re.compile(r"task (['\"])(.+?)\1 failed: ", re.DOTALL)


def short_error(error: str) -> str:
    """Return `charge: OSError: 502` for `task 'charge' failed: OSError: 502`; any other text as it is."""
    found = _TASK_ERROR.match(error)
    if found is None:
        return error
    name = found[2] if len(found[2]) <= MAX_TASK_CHARACTERS else f"{found[2][: MAX_TASK_CHARACTERS - 1]}…"
    return f"{name}: {error[found.end() :]}"
