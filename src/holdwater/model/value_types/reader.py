"""From a tree to the value it stands for."""

from __future__ import annotations

from typing import Any, Final

from holdwater.errors import DecodingError
from holdwater.model.error_report import describe_error
from holdwater.model.value_types import (
    class_instances,
    containers,
    custom_types,
    datetimes,
    optional_libraries,
    scalars,
)
from holdwater.model.value_types.tag import TAG, ReadFunction, Tree

_BUILTIN_READERS: Final[dict[str, ReadFunction]] = {**scalars.READERS, **datetimes.READERS, **containers.READERS}
_READERS: Final[dict[str, ReadFunction]] = {
    **_BUILTIN_READERS,
    **class_instances.READERS,
    **custom_types.READERS,
    **optional_libraries.READERS,
}


def revive(tree: Tree) -> Any:
    """Data with tags turned into the values it stands for.  Raises DecodingError."""
    if type(tree) is list:
        return [revive(x) for x in tree]
    if type(tree) is not dict:
        return tree
    tag = tree.get(TAG)
    if tag is None:
        return {k: revive(x) for k, x in tree.items()}
    read = _READERS.get(tag) if type(tag) is str else None
    if read is None:
        raise DecodingError(f"stored value has the unknown tag {tag!r}")
    try:
        return read(tree, revive)
    except (DecodingError, RecursionError):
        raise
    except Exception as error:
        raise DecodingError(f"stored {tag} cannot be read: {describe_error(error)}") from error


def revive_builtins(tree: Tree) -> Any:
    """The value as far as it is of builtin types; an object that equals nothing in the place of any other.

    For values of code that this process does not have and does not trust.  Raises nothing but RecursionError.
    """
    if type(tree) is list:
        return [revive_builtins(x) for x in tree]
    if type(tree) is not dict:
        return tree
    tag = tree.get(TAG)
    if tag is None:
        return {k: revive_builtins(x) for k, x in tree.items()}
    read = _BUILTIN_READERS.get(tag) if type(tag) is str else None
    try:
        return object() if read is None else read(tree, revive_builtins)
    except RecursionError:
        raise
    except Exception:  # noqa: BLE001 - the content of a tag is not its own
        return object()
