"""Immutable values of the standard library without other values inside."""

from __future__ import annotations

import ipaddress
import math
import pathlib
import re
import struct
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final
from uuid import UUID, SafeUUID

from holdwater.errors import DecodingError
from holdwater.model.value_types.tag import (
    INT_PLAIN_BITS,
    TAG,
    NotStorable,
    ReadFunction,
    ReviveFunction,
    Tree,
    ValueWriter,
    WriteFunction,
)

_NAN_BITS: Final = struct.pack(">d", math.nan).hex()
_SURROGATE_PAIR: Final = re.compile("(?<=[\ud800-\udbff])(?=[\udc00-\udfff])")


def text_tree(text: str) -> Tree:
    """A str.  JSON reads a high and a low surrogate side by side as one character: such a text is written in parts."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        parts = _SURROGATE_PAIR.split(text)
        if len(parts) > 1:
            return {TAG: "str", "v": parts}
    return text


def int_tree(value: int) -> Tree:
    """An int of any size."""
    return value if value.bit_length() <= INT_PLAIN_BITS else {TAG: "int", "v": f"{value:x}"}


def float_tree(value: float) -> Tree:
    """A float, NaN with its sign and payload."""
    if math.isfinite(value):
        return value
    if math.isinf(value):
        return {TAG: "float", "v": "inf" if value > 0 else "-inf"}
    bits = struct.pack(">d", value).hex()
    return {TAG: "float", "v": "nan" if bits == _NAN_BITS else bits}


def _read_float(tree: dict[str, Any], revive: ReviveFunction) -> float:
    text = tree["v"]
    return float(text) if text in ("inf", "-inf", "nan") else float(struct.unpack(">d", bytes.fromhex(text))[0])


def _write_fraction(value: Fraction, writer: ValueWriter) -> Tree:
    n, d = value.numerator, value.denominator
    if d < 1 or math.gcd(n, d) != 1:
        raise NotStorable(
            "is a Fraction that is not in lowest terms, which cannot be stored", "use Fraction(numerator, denominator)"
        )
    return {TAG: "fraction", "v": [int_tree(n), int_tree(d)]}


def _write_uuid(value: UUID, writer: ValueWriter) -> Tree:
    tree = {TAG: "uuid", "v": str(value)}
    if value.is_safe is not SafeUUID.unknown:
        tree["s"] = value.is_safe.name
    return tree


def _read_uuid(tree: dict[str, Any], revive: ReviveFunction) -> UUID:
    return UUID(tree["v"], is_safe=SafeUUID[tree.get("s", "unknown")])


_PATH_CLASSES: Final[dict[str, type[pathlib.PurePath]]] = {
    kind.__name__: kind
    for kind in (pathlib.PurePosixPath, pathlib.PureWindowsPath, pathlib.PosixPath, pathlib.WindowsPath)
}


def _write_path(value: pathlib.PurePath, writer: ValueWriter) -> Tree:
    return {TAG: "path", "k": type(value).__name__, "v": text_tree(str(value))}


def _read_path(tree: dict[str, Any], revive: ReviveFunction) -> pathlib.PurePath:
    kind, text = _PATH_CLASSES[tree["k"]], revive(tree["v"])
    if type(text) is not str:
        raise DecodingError("stored path is no text")
    try:
        return kind(text)
    except NotImplementedError as error:
        raise DecodingError(
            f"stored value is a {tree['k']}, which exists on the other system only",
            hint="record PurePosixPath or PureWindowsPath where runs move between systems",
        ) from error


def _write_pattern(value: re.Pattern[Any], writer: ValueWriter) -> Tree:
    if value.flags & re.DEBUG:
        raise NotStorable("is a pattern with re.DEBUG, which cannot be stored", "compile it without that flag")
    return {TAG: "pattern", "v": writer.write(value.pattern), "f": value.flags}


def _read_pattern(tree: dict[str, Any], revive: ReviveFunction) -> re.Pattern[Any]:
    source = revive(tree["v"])
    if type(source) not in (str, bytes):
        raise DecodingError("stored pattern is no text")
    made: re.Pattern[Any] = re.compile(source, int(tree["f"]) & ~re.DEBUG)
    return made


_IP_CLASSES: Final[dict[str, Callable[[str], Any]]] = {
    kind.__name__: kind
    for kind in (
        ipaddress.IPv4Address, ipaddress.IPv6Address, ipaddress.IPv4Network, ipaddress.IPv6Network,
        ipaddress.IPv4Interface, ipaddress.IPv6Interface,
    )
}  # fmt: skip


def _write_as_text(value: Any, writer: ValueWriter) -> Tree:
    return {TAG: type(value).__name__, "v": str(value)}


def _text_reader(kind: Callable[[str], Any]) -> ReadFunction:
    def read(tree: dict[str, Any], revive: ReviveFunction) -> Any:
        if type(tree["v"]) is not str:
            raise DecodingError(f"stored {tree[TAG]} is no text")
        return kind(tree["v"])

    return read


def _join_parts(tree: dict[str, Any], revive: ReviveFunction) -> str:
    return "".join(tree["v"])


WRITERS: Final[dict[type, WriteFunction]] = {
    complex: lambda v, w: {TAG: "complex", "v": [float_tree(v.real), float_tree(v.imag)]},
    # a context may ask for small letters (decimal.Context.capitals)
    Decimal: lambda v, w: {TAG: "decimal", "v": str(v).replace("e", "E")},
    Fraction: _write_fraction,
    UUID: _write_uuid,
    bytes: lambda v, w: {TAG: "bytes", "v": v.hex()},
    bytearray: lambda v, w: {TAG: "bytearray", "v": v.hex()},
    range: lambda v, w: {TAG: "range", "v": [int_tree(v.start), int_tree(v.stop), int_tree(v.step)]},
    re.Pattern: _write_pattern,
    **dict.fromkeys(_PATH_CLASSES.values(), _write_path),
    **{kind: _write_as_text for kind in _IP_CLASSES.values() if isinstance(kind, type)},
}

READERS: Final[dict[str, ReadFunction]] = {
    "str": _join_parts,
    "int": lambda t, revive: int(t["v"], 16),
    "float": _read_float,
    "complex": lambda t, revive: complex(*[float(revive(x)) for x in t["v"]]),
    "decimal": _text_reader(Decimal),
    "fraction": lambda t, revive: Fraction(*[revive(x) for x in t["v"]]),
    "uuid": _read_uuid,
    "bytes": lambda t, revive: bytes.fromhex(t["v"]),
    "bytearray": lambda t, revive: bytearray.fromhex(t["v"]),
    "range": lambda t, revive: range(*[revive(x) for x in t["v"]]),
    "pattern": _read_pattern,
    "path": _read_path,
    **{name: _text_reader(kind) for name, kind in _IP_CLASSES.items()},
}
