"""Stored values as trees for people: types are named, nothing is decoded, and the cost is that of what is shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, Literal

from holdwater.model.value_types.display import to_display_text
from holdwater.model.value_types.plain_json import key_text, to_plain_json
from holdwater.model.value_types.tag import TAG, Tree
from holdwater.model.values import StoredValue

MAX_SHOWN_BYTES: Final = 65_536
"""a larger value is shown when it is asked for"""
OPEN_LINES: Final = 100
"""a value of more lines begins closed"""
MAX_LINES: Final = 1_000
"""of one value; further elements are counted"""
MAX_TEXT_CHARACTERS: Final = 2_000
"""of one text in a value"""
MAX_PREVIEW_CHARACTERS: Final = 100
MAX_DEPTH: Final = 60

LineKind = Literal["object", "list", "text", "number", "word", "other"]


@dataclass(frozen=True, slots=True)
class ValueNode:
    """One line of a tree, with those below it.

    `key`: name or place in what holds it, "" for the root.  `type`: name of its Python type; "" where the text says it.
    `text`: a scalar, or a preview of a container.  `left_out`: elements, or characters of a text, that are not shown.
    """

    key: str
    kind: LineKind
    type: str
    text: str
    children: tuple[ValueNode, ...] = ()
    left_out: int = 0
    is_open: bool = False

    @property
    def is_container(self) -> bool:
        """It has, or may have, lines below it."""
        return self.kind in ("object", "list")


@dataclass(frozen=True, slots=True)
class ShownValue:
    """A named value.  `root` None: it is too large to be shown unasked; `summary` says what it is.

    `change`: how it differs from another one of its name: "" (not at all, or there is no other), "added", "changed",
    "removed".
    """

    name: str
    root: ValueNode | None
    summary: str
    change: str = ""


def show_value(name: str, value: StoredValue, *, whole: bool = False, change: str = "") -> ShownValue:
    """Show a value.  `whole`: also a large one, as far as `MAX_LINES` goes."""
    tree = value.tree
    summary = describe_tree(tree)
    if not whole and _is_large(tree):
        return ShownValue(name, None, summary, change)
    return ShownValue(
        name, build_tree(tree, max_text=MAX_SHOWN_BYTES if whole else MAX_TEXT_CHARACTERS), summary, change
    )


def build_tree(tree: Tree, *, max_text: int = MAX_TEXT_CHARACTERS) -> ValueNode:
    """Build the lines of a tree."""
    return _Builder(_count_lines(tree) <= OPEN_LINES, max_text).build("", tree, 0)


def describe_tree(tree: Tree) -> str:
    """`list of 20,000`, `text of 240,000 characters`, `dict of 3`; the value itself for a short scalar."""
    shape = _shape(tree)
    if shape.elements is None:
        return (
            f"text of {len(tree):,} characters" if type(tree) is str and len(tree) > 80 else to_display_text(tree, 80)
        )
    return f"{shape.type} of {shape.length:,}"


@dataclass(frozen=True, slots=True)
class _Shape:
    """The shape of a tree.  `elements`: keys and trees below it, None for a scalar."""

    kind: LineKind
    type: str
    length: int = 0
    elements: Iterator[tuple[str, Tree]] | None = None


_SEQUENCE_TAGS: Final = frozenset({"tuple", "set", "frozenset", "deque"})
_MAPPING_TAGS: Final = {
    "dict": "dict", "ordereddict": "OrderedDict", "counter": "Counter", "defaultdict": "defaultdict",
}  # fmt: skip
_NAMED_BY_TEXT: Final = frozenset(
    {"decimal", "uuid", "fraction", "bytes", "bytearray", "enum", "flag", "path", "pattern", "range", "slice", "float"}
)
"""scalars whose text names their type"""
_CLASS_TAGS: Final = frozenset({"dataclass", "pydantic", "namedtuple"})


def _shape(tree: Tree) -> _Shape:
    if type(tree) is list:
        return _Shape("list", "list", len(tree), _numbered(tree))
    if type(tree) is str:
        return _Shape("text", "str")
    if tree is None or type(tree) is bool:
        return _Shape("word", "")
    if type(tree) is not dict:
        return _Shape("number", "")
    tag = tree.get(TAG)
    if tag is None:
        return _Shape("object", "dict", len(tree), iter(tree.items()))
    try:
        return _tagged_shape(str(tag), tree)
    except (KeyError, TypeError, ValueError, AttributeError):  # no tree that this version wrote
        return _Shape("other", str(tag))


def _tagged_shape(tag: str, tree: dict[str, Any]) -> _Shape:
    v: Any = tree.get("v")
    if tag in _SEQUENCE_TAGS:
        elements = (("", tree) for tree in v) if tag in ("set", "frozenset") else _numbered(v)
        return _Shape("list", tag, len(v), elements)
    if tag in _MAPPING_TAGS:
        return _Shape("object", _MAPPING_TAGS[tag], len(v), ((key_text(key), value) for key, value in v))
    if tag in _CLASS_TAGS:
        fields = [*_field_pairs(v), *_field_pairs(tree.get("e", {}))]
        return _Shape("object", _class_name(tree), len(fields), iter(fields))
    if tag in _NAMED_BY_TEXT:
        return _Shape("other", "")
    if tag == "type":
        return _Shape("object", str(tree["n"]), 1, iter([("value", v)]))
    if tag == "str":
        return _Shape("text", "str")
    return _Shape("other", {"numpy": "array", "pandas": str(tree.get("k", "pandas"))}.get(tag, tag))


def _field_pairs(tree: Tree) -> list[tuple[str, Tree]]:
    pairs: Any = tree["v"] if TAG in tree else tree.items()
    return [(key_text(key), value) for key, value in pairs]


def _class_name(tree: dict[str, Any]) -> str:
    """`Address` for `shop.models:Address`."""
    return str(tree["c"]).partition(":")[2].rpartition(".")[2] or str(tree["c"])


def _numbered(trees: list[Tree]) -> Iterator[tuple[str, Tree]]:
    return ((str(k), tree) for k, tree in enumerate(trees))


class _Builder:
    """Builds the lines of one value, up to `MAX_LINES`."""

    def __init__(self, is_open: bool, max_text: int) -> None:
        self._is_open, self._max_text = is_open, max_text
        self._lines_left = MAX_LINES

    def build(self, key: str, tree: Tree, depth: int) -> ValueNode:
        shape = _shape(tree)
        self._lines_left -= 1
        if shape.elements is None:
            return self._scalar(key, tree, shape)
        children: list[ValueNode] = []
        if depth < MAX_DEPTH:
            for name, value in shape.elements:
                if self._lines_left <= 0:
                    break
                children.append(self.build(name, value, depth + 1))
        preview = to_display_text(tree, MAX_PREVIEW_CHARACTERS)
        left_out = shape.length - len(children)
        is_open = self._is_open or depth == 0
        return ValueNode(
            key, shape.kind, f"{shape.type} · {shape.length:,}", preview, tuple(children), left_out, is_open
        )

    def _scalar(self, key: str, tree: Tree, shape: _Shape) -> ValueNode:
        if shape.kind == "text":
            text = tree if type(tree) is str else str(to_plain_json(tree))
            return ValueNode(key, "text", "", text[: self._max_text], (), max(0, len(text) - self._max_text))
        if shape.kind == "word":
            return ValueNode(key, "word", "", {None: "null", True: "true", False: "false"}[tree])
        return ValueNode(key, shape.kind, shape.type, to_display_text(tree, self._max_text))


def _below(tree: Tree) -> Any:
    """Return the trees directly below a tree, tags not looked at."""
    return tree.values() if type(tree) is dict else tree if type(tree) is list else ()


def _is_large(tree: Tree) -> bool:
    """Return True if the encoding of a tree is larger than `MAX_SHOWN_BYTES`; counts no further than that."""
    size, pending = 0, [tree]
    while pending and size <= MAX_SHOWN_BYTES:
        one = pending.pop()
        if type(one) is str:
            size += len(one) + 2
        elif type(one) is dict:
            size += 2 + sum([len(key) + 4 for key in islice(one, MAX_SHOWN_BYTES)])
            pending += islice(one.values(), MAX_SHOWN_BYTES)
        elif type(one) is list:
            size += 2 + len(one)
            pending += islice(one, MAX_SHOWN_BYTES)
        else:
            size += 5
    return size > MAX_SHOWN_BYTES


def _count_lines(tree: Tree) -> int:
    """Count the lines of a tree, no further than it takes to know that it begins closed."""
    count, pending = 0, [tree]
    while pending and count <= OPEN_LINES:
        count += 1
        pending += islice(_below(pending.pop()), OPEN_LINES + 1)
    return count


def compare_values(
    before: Mapping[str, StoredValue], after: Mapping[str, StoredValue]
) -> dict[str, Literal["", "added", "changed", "removed"]]:
    """Compare named values: name -> how it changed, in the order of `after`, then what was removed."""
    changes: dict[str, Literal["", "added", "changed", "removed"]] = {}
    for name, value in after.items():
        old = before.get(name)
        changes[name] = "added" if old is None else "" if old == value else "changed"
    changes.update({name: "removed" for name in before if name not in after})
    return changes
