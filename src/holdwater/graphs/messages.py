"""Parts of messages about graphs: the problem in a line, facts below it, lists of names, types."""

from __future__ import annotations

from collections.abc import Iterable

_MAX_LISTED = 12


def with_facts(problem: str, *facts: str) -> str:
    """Join the problem and, on lines of their own, the facts."""
    return "\n".join([problem, *[f"  -> {fact}" for fact in facts]])


def join_names(names: Iterable[str]) -> str:
    """Join names to a text; of many names the first ones and the number of the others."""
    all_names = list(names)
    shown = ", ".join([repr(name) for name in all_names[:_MAX_LISTED]])
    return f"{shown} and {len(all_names) - _MAX_LISTED} more" if len(all_names) > _MAX_LISTED else shown or "none"


def type_with_article(value: object) -> str:
    """Return the type of a value with its article: `an int`."""
    name = type(value).__name__
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"
