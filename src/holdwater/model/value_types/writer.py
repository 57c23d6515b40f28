"""From a value to its tree."""

from __future__ import annotations

from collections.abc import Callable
from types import BuiltinFunctionType, FunctionType, GeneratorType
from typing import Any, Final
from weakref import WeakKeyDictionary

from holdwater.model.value_types import class_instances, containers, custom_types, datetimes, scalars
from holdwater.model.value_types.display import to_display_text
from holdwater.model.value_types.tag import MAX_DEPTH, TAG, NotStorable, Tree, WriteFunction

_WRITERS: Final[dict[type, WriteFunction]] = {**scalars.WRITERS, **datetimes.WRITERS, **containers.WRITERS}
_writer_cache: Final[WeakKeyDictionary[type, WriteFunction]] = WeakKeyDictionary()
"""writers of other classes, found once"""
MAX_KEY_CHARS: Final = 40
_OPTIONAL_LIBRARIES: Final = frozenset({"numpy", "pandas"})


class TreeWriter:
    """Writes one value.  `needs_verification`: something in it must be proved by reading it back."""

    __slots__ = ("depth", "hash_depth", "needs_verification")

    def __init__(self) -> None:
        self.depth = 0
        self.hash_depth = 0
        self.needs_verification = False

    def write(self, value: Any) -> Tree:
        kind = type(value)
        if kind is str:
            return scalars.text_tree(value)
        if kind is int:
            return scalars.int_tree(value)
        if kind is float:
            return scalars.float_tree(value)
        if value is None or kind is bool:
            return value
        if self.depth > MAX_DEPTH:
            raise NotStorable(f"is nested more than {MAX_DEPTH} levels deep, or contains itself")
        self.depth += 1
        try:
            if kind is list:
                return self.write_items(value)
            if kind is dict:
                return self.write_mapping(value)
            return _find_writer(kind)(value, self)
        finally:
            self.depth -= 1

    def write_items(self, values: Any) -> list[Tree]:
        made: list[Tree] = []
        try:
            for value in values:
                made.append(self.write(value))  # noqa: PERF401 - its length says where it stopped
        except NotStorable as refused:
            refused.add_step(f"[{len(made)}]")
            raise
        return made

    def write_mapping(self, values: Any) -> dict[str, Tree]:
        made: dict[str, Tree] = {}
        for key, value in values.items():
            if type(key) is not str or key == TAG or type(scalars.text_tree(key)) is not str:
                return {TAG: "dict", "v": self.write_pairs(values)}
            made[key] = self._write_at(key, value)
        return made

    def write_pairs(self, values: Any) -> list[list[Tree]]:
        made = []
        for key, value in values.items():
            self.hash_depth += 1
            try:
                written = self._write_at("<key>", key)
            finally:
                self.hash_depth -= 1
            try:
                made.append([written, self.write(value)])
            except NotStorable as refused:
                refused.add_step(written if type(written) is str else to_display_text(written, MAX_KEY_CHARS))
                raise
        return made

    def write_hashed(self, values: Any) -> list[Tree]:
        self.hash_depth += 1
        try:
            return self.write_items(values)
        finally:
            self.hash_depth -= 1

    def _write_at(self, step: str, value: Any) -> Tree:
        try:
            return self.write(value)
        except NotStorable as refused:
            refused.add_step(step)
            raise


def _find_writer(kind: type) -> WriteFunction:
    write = custom_types.find_writer(kind) or _WRITERS.get(kind) or _writer_cache.get(kind)
    if write is None:
        write = _writer_cache[kind] = _find_family_writer(kind)
    return write


def _find_family_writer(kind: type) -> WriteFunction:
    for belongs, write in class_instances.FAMILY_WRITERS:
        if belongs(kind):
            return write
    if kind.__module__.partition(".")[0] in _OPTIONAL_LIBRARIES:
        from holdwater.model.value_types import optional_libraries

        found = optional_libraries.find_writer(kind)
        if found is not None:
            return found
    return _refuse


def _refuse(value: Any, writer: Any) -> Tree:
    kind = type(value)
    raise NotStorable(f"is of type {kind.__module__}.{kind.__qualname__}, which cannot be stored", _storage_hint(value))


_ALTERNATIVES: Final[tuple[tuple[tuple[type, ...], str], ...]] = (
    ((type, FunctionType, BuiltinFunctionType), "store its name"),
    ((BaseException,), "store str(error), or what the next one needs to know of it"),
    ((GeneratorType,), "store list(...) of it"),
    ((memoryview,), "store bytes(...) of it"),
)


def _storage_hint(value: Any) -> str:
    for kinds, instead in _ALTERNATIVES:
        if isinstance(value, kinds):
            return instead
    own: Callable[[Any], Any] | None = next((base for base in type(value).__mro__ if base in _PLAIN_TYPES), None)
    if own is not None:
        return f"store {own.__name__}(...) of it, or say with register_type() how it is kept"
    return "store plain data, a dataclass, an Enum or a pydantic model, or say with register_type() how it is kept"


_PLAIN_TYPES: Final = (str, int, float, list, dict, tuple, set, frozenset, bytes)
