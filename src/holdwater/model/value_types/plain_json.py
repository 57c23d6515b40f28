"""Trees as plain JSON, for programs that know nothing of tags.

Nothing is decoded, so that every process can show whatever is recorded: it needs no class of the values.
"""

from __future__ import annotations

import datetime as dt
import json
from base64 import b64encode
from collections.abc import Callable
from typing import Any, Final

from holdwater.model.value_types.array_elements import decode_elements
from holdwater.model.value_types.tag import TAG, Tree


def to_plain_json(tree: Tree) -> Any:
    """Plain JSON data without tags: instants in ISO 8601, other scalars as text, containers as lists and objects.

    What it does not tell apart (a tuple and a list, a date and its text) is lost: the tree is the exact form.  A tag
    that this version does not know, or whose content is not its own, gives None.
    """
    if type(tree) is list:
        return [to_plain_json(x) for x in tree]
    if type(tree) is not dict:
        return tree
    tag = tree.get(TAG)
    if tag is None:
        return {k: to_plain_json(x) for k, x in tree.items()}
    show = _JSON_CONVERTERS.get(tag) if type(tag) is str else None
    if show is None:
        return None
    try:
        return show(tree)
    except Exception:  # noqa: BLE001 - another process may have sent any tree, and it must not spoil what is beside it
        return None


def _mapping_to_json(pairs: list[list[Tree]]) -> Any:
    """An object if the keys are different texts, else a list of pairs."""
    made = {key_text(key): value for key, value in pairs}
    if len(made) == len(pairs):
        return {key: to_plain_json(value) for key, value in made.items()}
    return [[to_plain_json(key), to_plain_json(value)] for key, value in pairs]


def key_text(tree: Tree) -> str:
    """The name that a key has in an object of plain JSON."""
    key = to_plain_json(tree)
    return key if type(key) is str else json.dumps(key, separators=(",", ":"))


def _fields_to_json(tree: dict[str, Any]) -> Any:
    return {**_fields_by_name(tree["v"]), **_fields_by_name(tree.get("e", {}))}


def _fields_by_name(tree: Tree) -> dict[str, Any]:
    """Fields by name, whether one of them is called like the tag or not."""
    pairs = tree["v"] if TAG in tree else tree.items()
    return {key_text(key): to_plain_json(value) for key, value in pairs}


def _to_float(tree: Tree) -> float:
    return tree if type(tree) is float else float(to_plain_json(tree))


_INFINITY_NAMES: Final = {"inf": "Infinity", "-inf": "-Infinity"}


def _table_to_json(tree: dict[str, Any]) -> Any:
    kind: str = tree["k"]
    v: Any = tree.get("v")
    if kind == "DataFrame":
        columns = [to_plain_json(column) for column in v["data"]]
        return {
            "columns": to_plain_json(v["columns"]),
            "index": to_plain_json(v["index"]),
            "data": [list(row) for row in zip(*columns, strict=True)],
        }
    if kind == "Series":
        return {"name": to_plain_json(v["name"]), "index": to_plain_json(v["index"]), "data": to_plain_json(v["data"])}
    return to_plain_json(decode_elements(tree))


_JSON_CONVERTERS: Final[dict[str, Callable[[dict[str, Any]], Any]]] = {
    "str": lambda t: "".join(t["v"]),
    # more decimal digits than Python reads by default: in base 16
    "int": lambda t: hex(int(t["v"], 16)) if len(t["v"]) > 3500 else int(t["v"], 16),
    "float": lambda t: _INFINITY_NAMES.get(t["v"], "NaN"),
    "decimal": lambda t: t["v"],
    "uuid": lambda t: t["v"],
    "fraction": lambda t: f"{to_plain_json(t['v'][0])}/{to_plain_json(t['v'][1])}",
    "bytes": lambda t: b64encode(bytes.fromhex(t["v"])).decode(),
    "bytearray": lambda t: b64encode(bytes.fromhex(t["v"])).decode(),
    "complex": lambda t: str(complex(*[_to_float(x) for x in t["v"]])),
    "range": lambda t: f"range({', '.join([str(to_plain_json(x)) for x in t['v']])})",
    "slice": lambda t: to_plain_json(t["v"]),
    "path": lambda t: to_plain_json(t["v"]),
    "pattern": lambda t: to_plain_json(t["v"]),
    "date": lambda t: t["v"],
    "datetime": lambda t: _format_instant(t),
    "time": lambda t: _format_instant(t),
    "timedelta": lambda t: _format_duration(dt.timedelta(*t["v"])),
    "zone": lambda t: t["v"],
    "timezone": lambda t: t.get("n") or str(dt.timezone(dt.timedelta(*t["v"]))),
    **dict.fromkeys(
        ("IPv4Address", "IPv6Address", "IPv4Network", "IPv6Network", "IPv4Interface", "IPv6Interface"),
        lambda t: t["v"],
    ),
    **dict.fromkeys(("tuple", "set", "frozenset", "deque"), lambda t: to_plain_json(t["v"])),
    **dict.fromkeys(("dict", "ordereddict", "counter", "defaultdict"), lambda t: _mapping_to_json(t["v"])),
    "enum": lambda t: t["v"],
    "flag": lambda t: "|".join([*t["v"], *([str(t["r"])] if "r" in t else [])]),
    "dataclass": _fields_to_json,
    "pydantic": _fields_to_json,
    "namedtuple": _fields_to_json,
    "type": lambda t: to_plain_json(t["v"]),
    "numpy": lambda t: to_plain_json(decode_elements(t)),
    "pandas": _table_to_json,
}


def _format_instant(tree: dict[str, Any]) -> str:
    """With the offset of the zone at that instant, where this system knows the zone; else its name in brackets."""
    zone = tree.get("z")
    if zone is None:
        return str(tree["v"])
    try:
        from holdwater.model.value_types.reader import revive

        return str(revive(tree).isoformat())
    except Exception:  # noqa: BLE001 - no such zone here: it is shown all the same
        return f"{tree['v']}[{to_plain_json(zone)}]"


def _format_duration(value: dt.timedelta) -> str:
    """ISO 8601, in days and seconds: `P1DT3600S`, `-PT0.5S`."""
    sign, value = ("-", -value) if value < dt.timedelta(0) else ("", value)
    fraction = f".{value.microseconds:06d}".rstrip("0") if value.microseconds else ""
    days = f"{value.days}D" if value.days else ""
    time = f"T{value.seconds}{fraction}S" if value.seconds or fraction or not days else ""
    return f"{sign}P{days}{time}"
