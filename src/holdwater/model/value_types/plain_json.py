"""Trees as plain JSON, for programs that know nothing of tags.

Nothing is decoded, so that every process can show whatever is recorded: it needs no class of the values.
"""

from __future__ import annotations

import datetime as dt
import json
from base64 import b64encode
from collections.abc import Callable
from typing import Any, Final

from holdwater.model.value_types.array_elements import elements
from holdwater.model.value_types.tag import TAG, Tree


def as_json(tree: Tree) -> Any:
    """Plain JSON data without tags: instants in ISO 8601, other scalars as text, containers as lists and objects.

    What it does not tell apart (a tuple and a list, a date and its text) is lost: the tree is the exact form.  A tag
    that this version does not know gives None.
    """
    if type(tree) is list:
        return [as_json(x) for x in tree]
    if type(tree) is not dict:
        return tree
    tag = tree.get(TAG)
    if tag is None:
        return {k: as_json(x) for k, x in tree.items()}
    show = _JSON.get(tag) if type(tag) is str else None
    return None if show is None else show(tree)


def _object(pairs: list[list[Tree]]) -> Any:
    """An object if the keys are different texts, else a list of pairs."""
    made = {key_text(key): value for key, value in pairs}
    if len(made) == len(pairs):
        return {key: as_json(value) for key, value in made.items()}
    return [[as_json(key), as_json(value)] for key, value in pairs]


def key_text(tree: Tree) -> str:
    """The name that a key has in an object of plain JSON."""
    key = as_json(tree)
    return key if type(key) is str else json.dumps(key, separators=(",", ":"))


def _fields(tree: dict[str, Any]) -> Any:
    return {**_plain_mapping(tree["v"]), **_plain_mapping(tree.get("e", {}))}


def _plain_mapping(tree: Tree) -> dict[str, Any]:
    """Fields by name, whether one of them is called like the tag or not."""
    pairs = tree["v"] if TAG in tree else tree.items()
    return {key_text(key): as_json(value) for key, value in pairs}


def _float(tree: Tree) -> float:
    return tree if type(tree) is float else float(as_json(tree))


_INFINITE: Final = {"inf": "Infinity", "-inf": "-Infinity"}


def _table(tree: dict[str, Any]) -> Any:
    kind: str = tree["k"]
    v: Any = tree.get("v")
    if kind == "DataFrame":
        columns = [as_json(column) for column in v["data"]]
        return {
            "columns": as_json(v["columns"]),
            "index": as_json(v["index"]),
            "data": [list(row) for row in zip(*columns, strict=True)],
        }
    if kind == "Series":
        return {"name": as_json(v["name"]), "index": as_json(v["index"]), "data": as_json(v["data"])}
    return as_json(elements(tree))


_JSON: Final[dict[str, Callable[[dict[str, Any]], Any]]] = {
    "str": lambda t: "".join(t["v"]),
    # more decimal digits than Python reads by default: in base 16
    "int": lambda t: hex(int(t["v"], 16)) if len(t["v"]) > 3500 else int(t["v"], 16),
    "float": lambda t: _INFINITE.get(t["v"], "NaN"),
    "decimal": lambda t: t["v"],
    "uuid": lambda t: t["v"],
    "fraction": lambda t: f"{as_json(t['v'][0])}/{as_json(t['v'][1])}",
    "bytes": lambda t: b64encode(bytes.fromhex(t["v"])).decode(),
    "bytearray": lambda t: b64encode(bytes.fromhex(t["v"])).decode(),
    "complex": lambda t: str(complex(*[_float(x) for x in t["v"]])),
    "range": lambda t: f"range({', '.join([str(as_json(x)) for x in t['v']])})",
    "slice": lambda t: as_json(t["v"]),
    "path": lambda t: as_json(t["v"]),
    "pattern": lambda t: as_json(t["v"]),
    "date": lambda t: t["v"],
    "datetime": lambda t: _iso(t),
    "time": lambda t: _iso(t),
    "timedelta": lambda t: _duration(dt.timedelta(*t["v"])),
    "zone": lambda t: t["v"],
    "timezone": lambda t: t.get("n") or str(dt.timezone(dt.timedelta(*t["v"]))),
    **dict.fromkeys(
        ("IPv4Address", "IPv6Address", "IPv4Network", "IPv6Network", "IPv4Interface", "IPv6Interface"),
        lambda t: t["v"],
    ),
    **dict.fromkeys(("tuple", "set", "frozenset", "deque"), lambda t: as_json(t["v"])),
    **dict.fromkeys(("dict", "ordereddict", "counter", "defaultdict"), lambda t: _object(t["v"])),
    "enum": lambda t: t["v"],
    "flag": lambda t: "|".join([*t["v"], *([str(t["r"])] if "r" in t else [])]),
    "dataclass": _fields,
    "pydantic": _fields,
    "namedtuple": _fields,
    "type": lambda t: as_json(t["v"]),
    "numpy": lambda t: as_json(elements(t)),
    "pandas": _table,
}


def _iso(tree: dict[str, Any]) -> str:
    """With the offset of the zone at that instant, where this system knows the zone; else its name in brackets."""
    zone = tree.get("z")
    if zone is None:
        return str(tree["v"])
    try:
        from holdwater.model.value_types.reader import revive

        return str(revive(tree).isoformat())
    except Exception:  # noqa: BLE001 - no such zone here: it is shown all the same
        return f"{tree['v']}[{as_json(zone)}]"


def _duration(value: dt.timedelta) -> str:
    """ISO 8601, in days and seconds: `P1DT3600S`, `-PT0.5S`."""
    sign, value = ("-", -value) if value < dt.timedelta(0) else ("", value)
    fraction = f".{value.microseconds:06d}".rstrip("0") if value.microseconds else ""
    days = f"{value.days}D" if value.days else ""
    time = f"T{value.seconds}{fraction}S" if value.seconds or fraction or not days else ""
    return f"{sign}P{days}{time}"
