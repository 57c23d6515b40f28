"""What is drawn of a graph: boxes and arrows between them.  How they look is the renderers' business."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

BoxKind = Literal["input", "function", "route", "choice", "question", "graph", "end"]
ArrowKind = Literal["data", "control", "ordering"]

END_KEY = "END"
"""no node can be called so"""


@dataclass(slots=True)
class Box:
    """`lines`: what it makes, or for inputs what they are; `inner`: the graph inside, if it is drawn."""

    title: str
    kind: BoxKind
    lines: tuple[str, ...] = ()
    inner: Picture | None = None


@dataclass(slots=True)
class Arrow:
    """From box to box by key.  `label`: the decision that takes it; `names`: the values that pass along it."""

    source: str
    target: str
    kind: ArrowKind
    label: str = ""
    names: tuple[str, ...] = ()


@dataclass(slots=True)
class Picture:
    """Boxes by key, in the order of the graph's definition."""

    name: str
    boxes: dict[str, Box] = field(default_factory=dict)
    arrows: list[Arrow] = field(default_factory=list)

    def walk(self) -> Iterator[Picture]:
        """This picture and those inside it, the outer ones first."""
        pending = [self]
        while pending:
            picture = pending.pop()
            yield picture
            pending += [box.inner for box in picture.boxes.values() if box.inner is not None]
