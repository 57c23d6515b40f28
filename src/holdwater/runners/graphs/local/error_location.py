"""Where in a graph an exception was raised: a note on it (`BaseException.__notes__`) with node, item and inputs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from holdwater.graphs.nodes.base import Node

INPUTS_LIMIT: Final = 20
"""names of inputs that a note lists"""


class Location(str):
    """The note: `in node 'outer[2]/inner', item 7, inputs: x, y`.

    `item`: of a map whose node is not known yet, or that was called by the user.
    """

    __slots__ = ("inputs", "item", "path")

    path: str
    inputs: tuple[str, ...]
    item: int | None

    def __new__(cls, path: str, inputs: tuple[str, ...], item: int | None = None) -> Location:
        parts = [f"in node {path!r}"]
        if item is not None:
            parts.append(f"item {item}")
        if inputs:
            more = ", ..." if len(inputs) > INPUTS_LIMIT else ""
            parts.append(f"inputs: {', '.join(inputs[:INPUTS_LIMIT])}{more}")
        made = super().__new__(cls, ", ".join(parts))
        made.path, made.inputs, made.item = path, inputs, item
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return Location, (self.path, self.inputs, self.item)


def locate(error: BaseException, path: str, inputs: Iterable[str]) -> None:
    """The body of this node raised it.  One exception has one location, the latest: some are raised again and again."""
    _note(error, Location(path, tuple(inputs)))


def locate_inside(error: BaseException, node: Node) -> None:
    """It came out of the graph of this node: the location there becomes a path."""
    inner = located(error)
    if inner is None:
        locate(error, node.name, node.inputs)
        return
    item = "" if inner.item is None else f"[{inner.item}]"
    _note(error, Location(f"{node.name}{item}/{inner.path}", inner.inputs))


def locate_item(error: BaseException, item: int) -> None:
    """It came out of this item of a map."""
    inner = located(error)
    if inner is not None:
        _note(error, Location(inner.path, inner.inputs, item))


def located(error: BaseException) -> Location | None:
    """The location that is noted; None if there is none, or the exception's own code raises."""
    return next((note for note in _notes(error) if type(note) is Location), None)


def _notes(error: BaseException) -> list[Any]:
    try:
        notes = object.__getattribute__(error, "__notes__")
    except BaseException:  # noqa: BLE001 - there are none, or a property of the class raises
        return []
    return notes if type(notes) is list else []


def _note(error: BaseException, location: Location) -> None:
    others = [note for note in _notes(error) if type(note) is not Location]
    try:
        object.__setattr__(error, "__notes__", [*others, location])
    except BaseException:  # noqa: BLE001 - the class does not let it: then the exception goes as it is
        return
