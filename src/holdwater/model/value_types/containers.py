"""Containers of the standard library beside list and dict."""

from __future__ import annotations

import json
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from typing import Any, Final

from holdwater.errors import DecodingError
from holdwater.model.value_types.tag import TAG, Read, Refused, Revive, Tree, Write, Writer

_text: Final = json.JSONEncoder(separators=(",", ":")).encode

_FACTORIES: Final[dict[str, Callable[[], Any]]] = {
    kind.__name__: kind for kind in (list, dict, set, tuple, frozenset, int, float, complex, bool, str, bytes)
}


def _hashed(tag: str) -> Write:
    def write(value: Any, writer: Writer) -> Tree:
        return {TAG: tag, "v": sorted(writer.write_hashed(value), key=_text)}  # one text for one set

    return write


def _without_attributes(value: Any) -> None:
    if getattr(value, "__dict__", None):
        raise Refused(
            f"is a {type(value).__name__} with the attribute {next(iter(vars(value)))!r}, which cannot be stored",
            "put it into a dataclass",
        )


def _pairs(tag: str) -> Write:
    def write(value: Any, writer: Writer) -> Tree:
        _without_attributes(value)
        return {TAG: tag, "v": writer.write_pairs(value)}

    return write


def _defaultdict(value: defaultdict[Any, Any], writer: Writer) -> Tree:
    factory = value.default_factory
    name = None if factory is None else getattr(factory, "__name__", "")
    if name is not None and _FACTORIES.get(name) is not factory:
        raise Refused(
            f"is a defaultdict with the factory {factory!r}, which cannot be stored: only builtin types can",
            "store dict(value), or use list, dict, set, int, float, str",
        )
    return {TAG: "defaultdict", "v": writer.write_pairs(value), "f": name}


def _read_defaultdict(tree: dict[str, Any], revive: Revive) -> Any:
    factory = None if tree["f"] is None else _FACTORIES.get(tree["f"])
    if factory is None and tree["f"] is not None:
        raise DecodingError(f"stored defaultdict has the unknown factory {tree['f']!r}")
    return defaultdict(factory, _revived(tree, revive))


def _revived(tree: dict[str, Any], revive: Revive) -> list[tuple[Any, Any]]:
    return [(revive(k), revive(v)) for k, v in tree["v"]]


def _items(tree: dict[str, Any], revive: Revive) -> list[Any]:
    return [revive(x) for x in tree["v"]]


def _read_counter(tree: dict[str, Any], revive: Revive) -> Any:
    return Counter(dict(_revived(tree, revive)))


WRITERS: Final[dict[type, Write]] = {
    tuple: lambda v, w: {TAG: "tuple", "v": w.write_items(v)},
    set: _hashed("set"),
    frozenset: _hashed("frozenset"),
    deque: lambda v, w: {TAG: "deque", "v": w.write_items(v), "m": v.maxlen},
    slice: lambda v, w: {TAG: "slice", "v": w.write_items([v.start, v.stop, v.step])},
    OrderedDict: _pairs("ordereddict"),
    Counter: _pairs("counter"),
    defaultdict: _defaultdict,
}

READERS: Final[dict[str, Read]] = {
    "tuple": lambda t, revive: tuple(_items(t, revive)),
    "set": lambda t, revive: set(_items(t, revive)),
    "frozenset": lambda t, revive: frozenset(_items(t, revive)),
    "deque": lambda t, revive: deque(_items(t, revive), t["m"]),
    "slice": lambda t, revive: slice(*_items(t, revive)),
    "dict": lambda t, revive: dict(_revived(t, revive)),
    "ordereddict": lambda t, revive: OrderedDict(_revived(t, revive)),
    "counter": _read_counter,
    "defaultdict": _read_defaultdict,
}
