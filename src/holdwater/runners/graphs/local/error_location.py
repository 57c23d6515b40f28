"""Location of an exception in a graph, as a note (`BaseException.__notes__`) with node, item and inputs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from holdwater.graphs.nodes.base import Node

MAX_LISTED_INPUTS: Final = 20
"""maximum of names of inputs in a note"""


class ErrorLocation(str):
    """The note: `in node 'outer[2]/inner', item 7, inputs: x, y`.

    `item_index`: of a map that the user called, or whose node is not known yet.
    """

    __slots__ = ("inputs", "item_index", "path")

    path: str
    inputs: tuple[str, ...]
    item_index: int | None

    def __new__(cls, path: str, inputs: tuple[str, ...], item_index: int | None = None) -> ErrorLocation:
        parts = [f"in node {path!r}"]
        if item_index is not None:
            parts.append(f"item {item_index}")
        if inputs:
            more = ", ..." if len(inputs) > MAX_LISTED_INPUTS else ""
            parts.append(f"inputs: {', '.join(inputs[:MAX_LISTED_INPUTS])}{more}")
        made = super().__new__(cls, ", ".join(parts))
        made.path, made.inputs, made.item_index = path, inputs, item_index
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return ErrorLocation, (self.path, self.inputs, self.item_index)


def note_location(error: BaseException, path: str, inputs: Iterable[str]) -> None:
    """Note the node whose function raised; a later location of the same exception object replaces it."""
    _replace_location(error, ErrorLocation(path, tuple(inputs)))


def note_nested_location(error: BaseException, node: Node) -> None:
    """Prefix the location with the node of the nested graph that raised."""
    inner = find_location(error)
    if inner is None:
        note_location(error, node.name, node.inputs)
        return
    item = "" if inner.item_index is None else f"[{inner.item_index}]"
    _replace_location(error, ErrorLocation(f"{node.name}{item}/{inner.path}", inner.inputs))


def note_item_location(error: BaseException, item_index: int) -> None:
    """Add the index of the item of a map that raised."""
    inner = find_location(error)
    if inner is not None:
        _replace_location(error, ErrorLocation(inner.path, inner.inputs, item_index))


def find_location(error: BaseException) -> ErrorLocation | None:
    """Return the noted location; None if there is none, or reading the notes raises."""
    return next((note for note in _read_notes(error) if type(note) is ErrorLocation), None)


def _read_notes(error: BaseException) -> list[Any]:
    try:
        notes = object.__getattribute__(error, "__notes__")
    except BaseException:  # noqa: BLE001 - there are none, or a property of the class raises
        return []
    return notes if type(notes) is list else []


def _replace_location(error: BaseException, location: ErrorLocation) -> None:
    others = [note for note in _read_notes(error) if type(note) is not ErrorLocation]
    try:
        object.__setattr__(error, "__notes__", [*others, location])
    except BaseException:  # noqa: BLE001 - the class does not let it: then the exception goes as it is
        return
