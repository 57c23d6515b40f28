"""Boxes before and behind a box along the arrows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from holdwater.drawing.picture import Picture


def related_to(picture: Picture, key: str) -> frozenset[str]:
    """Return the box with all that lead to it and all that it leads to; empty for an unknown key."""
    if key not in picture.boxes:
        return frozenset()
    before, behind = neighbours(picture)
    return frozenset({*_reach(key, before), *_reach(key, behind)})


def neighbours(picture: Picture) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Map each box to those directly before it, and to those directly behind it."""
    before: dict[str, list[str]] = {key: [] for key in picture.boxes}
    behind: dict[str, list[str]] = {key: [] for key in picture.boxes}
    for arrow in picture.arrows:
        before[arrow.target].append(arrow.source)
        behind[arrow.source].append(arrow.target)
    return before, behind


def _reach(key: str, onward: Mapping[str, Iterable[str]]) -> set[str]:
    found, pending = {key}, [key]
    while pending:
        for other in onward[pending.pop()]:
            if other not in found:
                found.add(other)
                pending.append(other)
    return found
