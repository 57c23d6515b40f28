"""Suggestions for names that were misspelt, for the hints of errors."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Final

_LONGEST_NAME_CHARS: Final = 1000
"""longer ones are compared with nothing: the time that takes grows with the square of the length"""


def suggest(names: Iterable[str]) -> str:
    """`did you mean 'a' or 'b'?`, empty if there are no names."""
    listed = " or ".join(map(repr, names))
    return f"did you mean {listed}?" if listed else ""


def did_you_mean(name: object, candidates: Iterable[str]) -> str:
    """Suggest up to three candidates similar to the name, the most similar first; empty if there are none.

    A candidate that differs by case alone comes before all others.
    """
    if not isinstance(name, str) or len(name) > _LONGEST_NAME_CHARS:
        return ""
    known = list(candidates)
    folded = name.casefold()
    same = [candidate for candidate in known if candidate.casefold() == folded]
    return suggest(same or difflib.get_close_matches(name, known, n=3))
