"""Boxes and arrows of a workflow, independent of a renderer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

BoxKind = Literal["input", "function", "route", "choice", "question", "graph", "wait", "end"]
ArrowKind = Literal["data", "control", "ordering"]

END_KEY = "END"
"""key of the END box; not a valid name of a node"""


@dataclass(slots=True)
class Box:
    """A box.  `lines`: the outputs of a node, or the inputs of a graph.  `inner`: the graph inside, if it is drawn.

    `note`: what kind of node it is, or when it runs, in a few words.
    """

    title: str
    kind: BoxKind
    lines: tuple[str, ...] = ()
    inner: Picture | None = None
    note: str = ""


@dataclass(slots=True)
class Arrow:
    """An arrow between boxes by key.  `label`: the decision that takes it.  `names`: the values it carries."""

    source: str
    target: str
    kind: ArrowKind
    label: str = ""
    names: tuple[str, ...] = ()


@dataclass(slots=True)
class Picture:
    """Boxes by key, in the order of the definition.  `sequence`: that is the order in which they run."""

    name: str
    boxes: dict[str, Box] = field(default_factory=dict)
    arrows: list[Arrow] = field(default_factory=list)
    sequence: bool = False

    @property
    def digest(self) -> str:
        """Fingerprint of what its layout depends on: names and arrows with their labels; 16 hex digits."""
        number = {key: i for i, key in enumerate(self.boxes)}
        arrows = [(number[arrow.source], number[arrow.target], arrow.kind, arrow.label) for arrow in self.arrows]
        titles = [(key, box.title, box.kind == "end") for key, box in self.boxes.items()]
        return hashlib.sha256(json.dumps([titles, arrows]).encode()).hexdigest()[:16]

    def walk(self) -> Iterator[Picture]:
        """Iterate over this picture and those inside it, outer ones first."""
        pending = [self]
        while pending:
            picture = pending.pop()
            yield picture
            pending += [box.inner for box in picture.boxes.values() if box.inner is not None]
