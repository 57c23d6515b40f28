"""The elements of stored arrays, as plain trees, without numpy: so that a process without it can show them."""

from __future__ import annotations

import datetime as dt
import struct
from binascii import a2b_base64
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from holdwater.model.value_types.tag import TAG, Tree

_EPOCH: Final = dt.datetime(1970, 1, 1)
_STRUCT_CODES: Final = {
    "i1": "b", "i2": "h", "i4": "i", "i8": "q", "u1": "B", "u2": "H", "u4": "I", "u8": "Q", "f2": "e", "f4": "f",
    "f8": "d", "b1": "?",
}  # fmt: skip
_UNITS_PER_DAY: Final = {
    "D": 1,
    "h": 24,
    "m": 1440,
    "s": 86400,
    "ms": 86400 * 10**3,
    "us": 86400 * 10**6,
    "ns": 86400 * 10**9,
}
_NAT: Final = -(1 << 63)


def decode_elements(tree: dict[str, Any]) -> Tree:
    """A number or text for a scalar, nested lists for an array, a list for a column or an index."""
    return _pandas_elements(tree) if tree[TAG] == "pandas" else _numpy_elements(tree)


def _numpy_elements(tree: dict[str, Any]) -> Tree:
    if "k" in tree:
        return tree["v"]
    descr, data = tree["d"], a2b_base64(tree["v"])
    read = _find_reader(descr)
    if read is None:
        return f"{len(data)} bytes of dtype {descr}" if "s" not in tree else tree["v"]
    flat = list(read(data))
    if "s" not in tree:
        return flat[0]
    return _nest(flat, tree["s"], tree["o"])


def _find_reader(descr: Tree) -> Callable[[bytes], Iterator[Tree]] | None:
    """Find the reader of the bytes of a dtype; None for structures and units of time without a fixed length."""
    if type(descr) is not str:
        return None
    if descr == "q" or descr == "Q":
        return lambda data: iter(memoryview(data).cast(descr))  # type: ignore[call-overload, unused-ignore]
    order, kind, size = descr[0], descr[1], descr[2:]
    order = "<" if order in "|=" else order
    if kind in "biuf" and kind + size in _STRUCT_CODES:
        code = order + _STRUCT_CODES[kind + size]
        return lambda data: (_number_tree(x) for (x,) in struct.iter_unpack(code, data))
    if kind == "c":
        code = order + ("ff" if size == "8" else "dd")
        return lambda data: ({TAG: "complex", "v": list(map(_number_tree, x))} for x in struct.iter_unpack(code, data))
    if kind in "SV":
        return lambda data: ({TAG: "bytes", "v": part.rstrip(b"\0").hex()} for part in _split_bytes(data, int(size)))
    if kind == "U":
        codec = "utf-32-be" if order == ">" else "utf-32-le"
        parts = 4 * int(size)
        return lambda data: (p.decode(codec, "surrogatepass").rstrip("\0") for p in _split_bytes(data, parts))
    unit = size.partition("[")[2].rstrip("]")
    if kind in "mM" and unit in _UNITS_PER_DAY:
        show = _instant_tree if kind == "M" else _format_duration
        return lambda data: (show(x, unit) for (x,) in struct.iter_unpack(order + "q", data))
    return None


def _split_bytes(data: bytes, size: int) -> Iterator[bytes]:
    return (data[k : k + size] for k in range(0, len(data), size))


def _number_tree(x: Any) -> Tree:
    if type(x) is float and (x != x or x in (float("inf"), float("-inf"))):
        return {TAG: "float", "v": "nan" if x != x else "inf" if x > 0 else "-inf"}
    return x


def _instant_tree(count: int, unit: str) -> Tree:
    return None if count == _NAT else {TAG: "datetime", "v": _format_instant(count, unit)}


def _format_instant(count: int, unit: str) -> str:
    """ISO 8601 with as many digits as the unit has."""
    days, rest = divmod(count, _UNITS_PER_DAY[unit])
    try:
        day = (_EPOCH + dt.timedelta(days=days)).date().isoformat()
    except OverflowError:
        return f"{count} {unit} since 1970"
    if unit == "D":
        return day
    per_second = _UNITS_PER_DAY[unit] / 86400
    if per_second < 1:
        rest, digits, fraction = rest * int(1 / per_second), 0, 0
    else:
        rest, fraction = divmod(rest, int(per_second))
        digits = len(str(int(per_second))) - 1
    minutes, seconds = divmod(rest, 60)
    tail = f".{fraction:0{digits}d}" if digits else ""
    return f"{day}T{minutes // 60:02d}:{minutes % 60:02d}:{seconds:02d}{tail}"


def _format_duration(count: int, unit: str) -> Tree:
    return None if count == _NAT else f"{count} {unit}"


def _nest(flat: Sequence[Tree], shape: Sequence[int], order: str) -> Tree:
    steps = [1] * len(shape)
    sides = range(1, len(shape)) if order == "F" else range(len(shape) - 2, -1, -1)
    for k in sides:
        before = k - 1 if order == "F" else k + 1
        steps[k] = steps[before] * shape[before]

    def part(axis: int, at: int) -> Tree:
        if axis == len(shape):
            return flat[at]
        return [part(axis + 1, at + k * steps[axis]) for k in range(shape[axis])]

    return part(0, 0)


# -- pandas


def _pandas_elements(tree: dict[str, Any]) -> Tree:
    kind: str = tree["k"]
    v: Any = tree.get("v")
    if kind in ("NaT", "NA"):
        return None
    if kind == "Timestamp":
        return _in_time_zone(_instant_tree(v, tree["u"]), tree)
    if kind == "Timedelta":
        return _format_duration(v, tree["u"])
    return list(_column_elements(kind, tree))


def _column_elements(kind: str, tree: dict[str, Any]) -> Sequence[Tree]:
    v: Any = tree["v"]
    if kind == "RangeIndex":
        return range(*v)
    if kind == "Index":
        return _array_elements(v)
    if kind == "MultiIndex":
        levels = [_array_elements(level) for level in v]
        codes = [_array_elements(code) for code in tree["codes"]]
        rows = zip(*codes)
        return [[None if at < 0 else levels[k][at] for k, at in enumerate(row)] for row in rows]
    if kind in ("objects", "strings"):
        return v  # type: ignore[no-any-return]
    if kind == "instants":
        return [_in_time_zone(_instant_tree(count, tree["u"]), tree) for count in _array_elements(v)]
    if kind == "masked":
        return [None if hidden else x for x, hidden in zip(_array_elements(v), _array_elements(tree["m"]), strict=True)]
    if kind == "categorical":
        names = _array_elements(tree["c"])
        return [None if at < 0 else names[at] for at in _array_elements(v)]
    raise ValueError(f"a kind of column this version does not know: {kind}")


def _array_elements(tree: dict[str, Any]) -> Sequence[Tree]:
    found: Sequence[Tree] = decode_elements(tree)
    return found


def _in_time_zone(instant: Tree, tree: dict[str, Any]) -> Tree:
    """The wall time is in UTC here: with its zone named, where there is one."""
    if instant is None or tree.get("z") is None:
        return instant
    zone = tree["z"]
    try:
        from holdwater.model.value_types.reader import revive

        text, _, fraction = instant["v"].partition(".")
        there = dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC).astimezone(revive(zone)).isoformat()
        return {TAG: "datetime", "v": there[:19] + (f".{fraction}" if fraction else "") + there[19:]}
    except Exception:  # noqa: BLE001 - no such zone here: it is shown all the same
        return {TAG: "datetime", "v": f"{instant['v']}Z"}
