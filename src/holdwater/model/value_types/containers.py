"""Containers of the standard library beside list and dict."""

from __future__ import annotations

import json
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from typing import Any, Final

from holdwater.errors import DecodingError
from holdwater.model.value_types.tag import (
    TAG,
    NotStorable,
    ReadFunction,
    ReviveFunction,
    Tree,
    ValueWriter,
    WriteFunction,
)

_to_json: Final = json.JSONEncoder(separators=(",", ":")).encode

_DEFAULT_FACTORIES: Final[dict[str, Callable[[], Any]]] = {
    kind.__name__: kind for kind in (list, dict, set, tuple, frozenset, int, float, complex, bool, str, bytes)
}


def _set_writer(tag: str) -> WriteFunction:
    def write(value: Any, writer: ValueWriter) -> Tree:
        return {TAG: tag, "v": sorted(writer.write_hashed(value), key=_to_json)}  # one text for one set

    return write


def _refuse_attributes(value: Any) -> None:
    if getattr(value, "__dict__", None):
        raise NotStorable(
            f"is a {type(value).__name__} with the attribute {next(iter(vars(value)))!r}, which cannot be stored",
            "put it into a dataclass",
        )


def _mapping_writer(tag: str) -> WriteFunction:
    def write(value: Any, writer: ValueWriter) -> Tree:
        _refuse_attributes(value)
        return {TAG: tag, "v": writer.write_pairs(value)}

    return write


def _write_defaultdict(value: defaultdict[Any, Any], writer: ValueWriter) -> Tree:
    factory = value.default_factory
    name = None if factory is None else getattr(factory, "__name__", "")
    if name is not None and _DEFAULT_FACTORIES.get(name) is not factory:
        raise NotStorable(
            f"is a defaultdict with the factory {factory!r}, which cannot be stored: only builtin types can",
            "store dict(value), or use list, dict, set, int, float, str",
        )
    return {TAG: "defaultdict", "v": writer.write_pairs(value), "f": name}


def _read_defaultdict(tree: dict[str, Any], revive: ReviveFunction) -> Any:
    factory = None if tree["f"] is None else _DEFAULT_FACTORIES.get(tree["f"])
    if factory is None and tree["f"] is not None:
        raise DecodingError(f"stored defaultdict has the unknown factory {tree['f']!r}")
    return defaultdict(factory, _revive_pairs(tree, revive))


def _revive_pairs(tree: dict[str, Any], revive: ReviveFunction) -> list[tuple[Any, Any]]:
    return [(revive(k), revive(v)) for k, v in tree["v"]]


def _revive_items(tree: dict[str, Any], revive: ReviveFunction) -> list[Any]:
    return [revive(x) for x in tree["v"]]


def _read_counter(tree: dict[str, Any], revive: ReviveFunction) -> Any:
    return Counter(dict(_revive_pairs(tree, revive)))


WRITERS: Final[dict[type, WriteFunction]] = {
    tuple: lambda v, w: {TAG: "tuple", "v": w.write_items(v)},
    set: _set_writer("set"),
    frozenset: _set_writer("frozenset"),
    deque: lambda v, w: {TAG: "deque", "v": w.write_items(v), "m": v.maxlen},
    slice: lambda v, w: {TAG: "slice", "v": w.write_items([v.start, v.stop, v.step])},
    OrderedDict: _mapping_writer("ordereddict"),
    Counter: _mapping_writer("counter"),
    defaultdict: _write_defaultdict,
}

READERS: Final[dict[str, ReadFunction]] = {
    "tuple": lambda t, revive: tuple(_revive_items(t, revive)),
    "set": lambda t, revive: set(_revive_items(t, revive)),
    "frozenset": lambda t, revive: frozenset(_revive_items(t, revive)),
    "deque": lambda t, revive: deque(_revive_items(t, revive), t["m"]),
    "slice": lambda t, revive: slice(*_revive_items(t, revive)),
    "dict": lambda t, revive: dict(_revive_pairs(t, revive)),
    "ordereddict": lambda t, revive: OrderedDict(_revive_pairs(t, revive)),
    "counter": _read_counter,
    "defaultdict": _read_defaultdict,
}
