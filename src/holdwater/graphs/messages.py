"""How messages about graphs are put together: a line with the problem, a line per fact, names that come close."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_SHOWN = 12


def told(problem: str, *facts: str) -> str:
    """The problem in one line, and under it what is the case."""
    return "\n".join([problem, *[f"  -> {fact}" for fact in facts]])


def listed(names: Iterable[str]) -> str:
    """Names as text; the first dozen of many."""
    all_names = list(names)
    shown = ", ".join([repr(name) for name in all_names[:_SHOWN]])
    return f"{shown} and {len(all_names) - _SHOWN} more" if len(all_names) > _SHOWN else shown or "none"


def a_kind(value: object) -> str:
    """The type of a value with its article: `an int`."""
    name = type(value).__name__
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def close_to(name: object, known: Iterable[str]) -> str:
    """`did you mean ...?` if one of the known names comes close, else nothing."""
    close = difflib.get_close_matches(str(name), list(known), n=1)
    return f"did you mean {close[0]!r}?" if close else ""
