"""Boxes that stand in parallel: between the same boxes, with the same arrows."""

from __future__ import annotations

from holdwater.drawing.picture import Picture


def find_parallel_boxes(picture: Picture, min_count: int) -> list[list[str]]:
    """Return the groups of at least `min_count` boxes that have the same arrows, in the order of the boxes.

    Boxes with labelled arrows are in none: a label belongs to one arrow.
    """
    arrows: dict[str, list[tuple[str, str, str]]] = {key: [] for key in picture.boxes}
    labelled = set()
    for arrow in picture.arrows:
        arrows[arrow.source].append(("to", arrow.target, arrow.kind))
        arrows[arrow.target].append(("from", arrow.source, arrow.kind))
        if arrow.label:
            labelled |= {arrow.source, arrow.target}
    groups: dict[tuple[tuple[str, str, str], ...], list[str]] = {}
    for key, found in arrows.items():
        if key not in labelled:
            groups.setdefault(tuple(sorted(found)), []).append(key)
    return [keys for keys in groups.values() if len(keys) >= min_count]
