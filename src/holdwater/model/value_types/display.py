"""Trees as short text for people, much like a `repr` in Python.

Nothing is decoded, so that every process can show whatever is recorded: it needs no class of the values.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator
from typing import Any, Final

from holdwater.model.value_types.array_elements import decode_elements
from holdwater.model.value_types.plain_json import key_text, to_plain_json
from holdwater.model.value_types.tag import TAG, Tree


def to_display_text(tree: Tree, max_chars: int | None = None) -> str:
    """Short and much like a `repr` in Python; at most `max_chars` characters, the last of which tells of more.

    Costs what is shown, not what the value holds.
    """
    made: list[str] = []
    length = 0
    try:
        for piece in _format_pieces(tree, max_chars):
            made.append(piece)
            length += len(piece)
            if max_chars is not None and length > max_chars:
                return "".join(made)[: max_chars - 1] + "…"
    except Exception:  # noqa: BLE001 - no tree that this version wrote
        made.append("<cannot be shown>")
    return "".join(made)


def _format_pieces(tree: Tree, max_chars: int | None) -> Iterator[str]:
    if type(tree) is str:
        yield _bounded_repr(tree, max_chars)
    elif type(tree) is list:
        yield from _format_sequence("[", tree, "]", max_chars)
    elif type(tree) is not dict:
        yield repr(tree)
    elif TAG not in tree:
        yield from _format_mapping("{", list(tree.items()), "}", max_chars)
    else:
        yield from _format_tagged(tree, max_chars)


def _bounded_repr(value: str | bytes, max_chars: int | None) -> str:
    return repr(value if max_chars is None else value[: max_chars + 1])


def _format_sequence(opening: str, trees: list[Tree], closing: str, max_chars: int | None) -> Iterator[str]:
    yield opening
    for k, tree in enumerate(trees):
        if k:
            yield ", "
        yield from _format_pieces(tree, max_chars)
    yield closing


def _format_mapping(opening: str, pairs: Any, closing: str, max_chars: int | None) -> Iterator[str]:
    yield opening
    for k, (key, value) in enumerate(pairs):
        if k:
            yield ", "
        yield from _format_pieces(key, max_chars)
        yield ": "
        yield from _format_pieces(value, max_chars)
    yield closing


def _format_fields(tree: dict[str, Any], max_chars: int | None) -> Iterator[str]:
    yield f"{_short_class_name(tree)}("
    v, e = tree["v"], tree.get("e", {})
    pairs = [*(v["v"] if TAG in v else v.items()), *(e["v"] if TAG in e else e.items())]
    for k, (key, value) in enumerate(pairs):
        if k:
            yield ", "
        yield f"{key_text(key)}="
        yield from _format_pieces(value, max_chars)
    yield ")"


def _short_class_name(tree: dict[str, Any]) -> str:
    return str(tree["c"]).partition(":")[2].rpartition(".")[2]


_SEQUENCE_BRACKETS: Final = {"set": ("{", "}"), "frozenset": ("frozenset({", "})"), "deque": ("deque([", "])")}
_MAPPING_BRACKETS: Final = {
    "dict": ("{", "}"), "ordereddict": ("OrderedDict({", "})"), "counter": ("Counter({", "})"),
    "defaultdict": ("defaultdict({", "})"),
}  # fmt: skip


def _format_tagged(tree: dict[str, Any], max_chars: int | None) -> Iterator[str]:
    tag: str = tree[TAG]
    v: Any = tree.get("v")
    if tag == "tuple":
        yield from _format_sequence("(", v, ",)" if len(v) == 1 else ")", max_chars)
    elif tag == "set" and not v:
        yield "set()"
    elif tag in _SEQUENCE_BRACKETS:
        yield from _format_sequence(_SEQUENCE_BRACKETS[tag][0], v, _SEQUENCE_BRACKETS[tag][1], max_chars)
    elif tag in _MAPPING_BRACKETS:
        yield from _format_mapping(_MAPPING_BRACKETS[tag][0], v, _MAPPING_BRACKETS[tag][1], max_chars)
    elif tag in ("dataclass", "pydantic", "namedtuple"):
        yield from _format_fields(tree, max_chars)
    elif tag in ("enum", "flag"):
        yield _format_enum(tree)
    elif tag == "type":
        yield f"{tree['n']}("
        yield from _format_pieces(v, max_chars)
        yield ")"
    elif tag == "numpy":
        yield from _format_array(tree, max_chars)
    elif tag == "pandas":
        yield from _format_table(tree, max_chars)
    else:
        yield _format_scalar(tree, max_chars)


def _format_enum(tree: dict[str, Any]) -> str:
    name = _short_class_name(tree)
    if tree[TAG] == "enum":
        return f"{name}.{tree['v']}"
    bits = [f"{name}.{bit}" for bit in tree["v"]] + ([f"{name}({tree['r']})"] if "r" in tree else [])
    return "|".join(bits) or f"{name}(0)"


def _format_scalar(tree: dict[str, Any], max_chars: int | None) -> str:
    """A value without others inside."""
    tag: str = tree[TAG]
    v: Any = tree.get("v")
    if tag in ("bytes", "bytearray"):
        shown = _bounded_repr(bytes.fromhex(v if max_chars is None else v[: 2 * max_chars + 2]), max_chars)
        return shown if tag == "bytes" else f"bytearray({shown})"
    if tag in ("str", "path", "pattern"):
        text = v if tag != "str" else "".join(v)
        inner = _bounded_repr(text, max_chars) if type(text) is str else to_display_text(text, max_chars)
        return inner if tag == "str" else f"{tree.get('k', 're.compile')}({inner})"
    if tag == "int":
        return hex(int(v, 16))
    if tag == "float":
        return v if v in ("inf", "-inf") else "nan"
    if tag == "complex":
        return (
            f"({to_display_text(v[0])}{'' if to_display_text(v[1]).startswith('-') else '+'}{to_display_text(v[1])}j)"
        )
    if tag in ("range", "slice"):
        return f"{tag}({', '.join([to_display_text(x, max_chars) for x in v])})"
    if tag == "timedelta":
        return str(dt.timedelta(*v))
    if tag in ("date", "datetime", "time", "zone", "timezone"):
        text = str(to_plain_json(tree))
        return text.replace("T", " ", 1) if tag == "datetime" else text
    if tag in ("decimal", "uuid", "fraction"):
        return f"{_SCALAR_CLASS_NAMES[tag]}({to_plain_json(tree)!r})"
    if tag.startswith("IP"):
        return f"{tag}({v!r})"
    return f"<a value of the kind {tag!r}, which this version does not know>"


_SCALAR_CLASS_NAMES: Final = {"decimal": "Decimal", "uuid": "UUID", "fraction": "Fraction"}


def _format_array(tree: dict[str, Any], max_chars: int | None) -> Iterator[str]:
    if "s" not in tree:
        yield from _format_pieces(decode_elements(tree), max_chars)
        return
    kind = tree["d"] if type(tree["d"]) is str else "a structure"
    yield f"array of {'×'.join(map(str, tree['s'])) or 'no dimension'} {kind}"
    if max_chars is not None and math.prod(tree["s"]) <= max_chars:
        yield " "
        yield from _format_pieces(decode_elements(tree), max_chars)


def _format_table(tree: dict[str, Any], max_chars: int | None) -> Iterator[str]:
    kind: str = tree["k"]
    v: Any = tree.get("v")
    if kind not in ("DataFrame", "Series"):
        yield from _format_pieces(decode_elements(tree), max_chars)
        return
    rows = v["rows"]
    if kind == "Series":
        yield f"Series of {rows:,} rows"
        if v["name"] is not None:
            yield " named "
            yield from _format_pieces(v["name"], max_chars)
    else:
        yield f"DataFrame of {rows:,} rows and {len(v['data'])} columns "
        yield from _format_pieces(decode_elements(v["columns"]), max_chars)
