"""Values of a run as people edit them: JSON objects of the values that a task sees, and what was changed in one."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from holdwater.errors import DecodingError, InvalidArgument
from holdwater.model import codec
from holdwater.model.values import StoredValue
from holdwater.runs.view import RunView
from holdwater.tasks.context import Context

MAX_VALUE_BYTES: Final = 65_536
"""of a value that is edited"""
MAX_TOTAL_BYTES: Final = 262_144
"""of all values that are edited together"""


@dataclass(frozen=True, slots=True)
class EditableValues:
    """Values that a task sees, by name, as JSON data: values that JSON does not know have the tags of the store.

    `left_out`: names of those that are too large to be edited; they stay as they are.
    """

    trees: Mapping[str, Any]
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ValueEdits:
    """The difference to what a task sees: `values` are set, `removed` are not seen any more."""

    values: Mapping[str, Any]
    removed: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        """Nothing differs."""
        return not self.values and not self.removed


def editable_values(view: RunView, task: str) -> EditableValues:
    """Return the values that a task sees, or would see now, to be edited.  Raises TaskNotFound."""
    trees: dict[str, Any] = {}
    left_out: list[str] = []
    total = 0
    for name, value in view.input_values(view.node(task).name).items():
        size = len(value.text)
        if size > MAX_VALUE_BYTES or total + size > MAX_TOTAL_BYTES:
            left_out.append(name)
        else:
            trees[name] = value.tree
            total += size
    return EditableValues(trees, tuple(left_out))


def find_edits(view: RunView, task: str, edited: Mapping[str, Any], shown: Collection[str]) -> ValueEdits:
    """Compare edited JSON data with what a task sees.  `shown`: names that were there to be edited.

    A name that is missing from `edited` is removed if it was shown.
    Raises TaskNotFound; InvalidArgument for a changed value that holds an instance of a class; DecodingError for tags
    that are none.
    """
    seen = view.input_values(view.node(task).name)
    changed = {
        name: tree for name, tree in edited.items() if name not in seen or StoredValue.from_tree(tree) != seen[name]
    }
    return ValueEdits(values_from_json(changed), tuple([name for name in seen if name in shown and name not in edited]))


def values_from_json(trees: Mapping[str, Any]) -> Context:
    """Decode values from JSON data, in which tags of the store may stand for values that JSON does not know.

    Raises InvalidArgument for NaN, infinities and an instance of a class, whose module would have to be imported;
    DecodingError for tags that are none.
    """
    for name, tree in trees.items():
        try:
            text = codec.to_compact_json(tree)
        except ValueError as error:
            raise InvalidArgument(f"{name!r} holds a number that JSON does not know: {error}") from error
        classes, _ = codec.referenced_types(text)
        if classes:
            raise InvalidArgument(
                f"{name!r} holds an instance of {classes[0]}, which is not read outside of its own program",
                hint="leave it as it is, or fork from code: handle.fork(from_task=..., values=...)",
            )
    try:
        return Context.from_json(json.dumps(dict(trees)))
    except DecodingError as error:
        raise _with_place(trees, error) from error


def _with_place(trees: Mapping[str, Any], error: DecodingError) -> DecodingError:
    """Return an error that says which value cannot be read."""
    for name, tree in trees.items():
        try:
            codec.decode(codec.to_compact_json(tree))
        except DecodingError as found:
            return DecodingError(f"{name!r}: {found.message}", hint=found.hint)
    return error
