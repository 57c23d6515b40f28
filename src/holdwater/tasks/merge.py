"""Three-way merge of two values written concurrently.

It works on encodings (trees of JSON with tags), so that no `__eq__` of a user runs, and 1, 1.0 and True differ.
"""

from __future__ import annotations

import json
from typing import Any, Final

from holdwater.model import codec
from holdwater.model.values import StoredValue

ABSENT: Final[Any] = type("Absent", (), {"__repr__": lambda self: "ABSENT"})()
"""A missing value: never written, or removed."""

_RECURSE: Final[Any] = object()
"""Both sides changed a dictionary: merge it key by key."""


def parse_tree(value: StoredValue | None) -> Any:
    """Parse the encoding of a value; ABSENT for None."""
    return ABSENT if value is None else json.loads(value.text)


def three_way_merge(base: Any, first: Any, second: Any) -> Any:
    """Merge two changes of `base`; `second` was declared later.

    Only one side changed: that side.  Two dictionaries: key by key, and so on inside.  Two lists that both begin with
    the base: the base, then both tails.  Two other lists: the first, then what only the second has.  Anything else,
    also a removal against a change: the second.  Iterative, values may be deeply nested; the inputs are not changed.
    """
    root = [_merge_shallow(base, first, second)]
    if root[0] is not _RECURSE:
        return root[0]
    work: list[tuple[Any, Any, Any, Any, Any]] = [(root, 0, base, first, second)]
    while work:
        target, at, old, a, b = work.pop()
        olds, ours, theirs = _entries_by_key(old), _entries_by_key(a), _entries_by_key(b)
        rows: list[tuple[Any, Any, tuple[Any, Any, Any]]] = []
        for text in {**ours, **theirs}:
            three = (_value_or_absent(olds, text), _value_or_absent(ours, text), _value_or_absent(theirs, text))
            verdict = _merge_shallow(*three)
            if verdict is not ABSENT:
                rows.append(((ours.get(text) or theirs[text])[0], verdict, three))
        if all([type(key) is str and key != codec.TAG for key, _, _ in rows]):
            made: dict[str, Any] = {key: verdict for key, verdict, _ in rows}
            target[at] = made
            work += [(made, key, *three) for key, verdict, three in rows if verdict is _RECURSE]
        else:
            pairs = [[key, verdict] for key, verdict, _ in rows]
            target[at] = {codec.TAG: "dict", "v": pairs}
            work += [(pair, 1, *row[2]) for pair, row in zip(pairs, rows, strict=True) if pair[1] is _RECURSE]
    return root[0]


def _merge_shallow(old: Any, a: Any, b: Any) -> Any:
    if _equal_trees(a, old):
        return b
    if _equal_trees(b, old):
        return a
    if type(a) is list and type(b) is list:
        if type(old) is list and _equal_trees(a[: len(old)], old) and _equal_trees(b[: len(old)], old):
            return a + b[len(old) :]
        known = {codec.freeze(x) for x in a}
        return a + [x for x in b if codec.freeze(x) not in known]
    return _RECURSE if _is_dict(a) and _is_dict(b) else b


def _equal_trees(a: Any, b: Any) -> bool:
    if a is ABSENT or b is ABSENT:
        return a is b
    return codec.freeze(a) == codec.freeze(b)


def _is_dict(tree: Any) -> bool:
    return type(tree) is dict and tree.get(codec.TAG, "dict") == "dict"


def _entries_by_key(tree: Any) -> dict[str, tuple[Any, Any]]:
    """Map the encoded keys of a dictionary, of any type of keys, to (key, value); empty for any other tree."""
    if not _is_dict(tree):
        return {}
    rows = tree["v"] if codec.TAG in tree else tree.items()
    return {json.dumps(key): (key, value) for key, value in rows}


def _value_or_absent(pairs: dict[str, tuple[Any, Any]], text: str) -> Any:
    found = pairs.get(text)
    return ABSENT if found is None else found[1]
