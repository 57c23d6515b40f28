"""How messages about graphs are put together: a line with the problem, a line per fact, names that come close."""

from __future__ import annotations

from collections.abc import Iterable

_MAX_LISTED = 12


def with_facts(problem: str, *facts: str) -> str:
    """The problem in one line, and under it what is the case."""
    return "\n".join([problem, *[f"  -> {fact}" for fact in facts]])


def join_names(names: Iterable[str]) -> str:
    """Names as text; the first dozen of many."""
    all_names = list(names)
    shown = ", ".join([repr(name) for name in all_names[:_MAX_LISTED]])
    return f"{shown} and {len(all_names) - _MAX_LISTED} more" if len(all_names) > _MAX_LISTED else shown or "none"


def type_with_article(value: object) -> str:
    """The type of a value with its article: `an int`."""
    name = type(value).__name__
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"
