"""Statements composed of parts: each part is text of a `.sql` file, and every value is bound.

A file of parts has a line `-- part NAME` before each.  A part names its parameters (`:status`) and the places of other
parts (`{bounds}`).  Nothing else ever becomes text of a statement.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from holdwater.storage.sql.statements import read_sql

_PART: Final = re.compile(r"^-- part ([a-z_]+)\n", re.MULTILINE)
_COMMENT: Final = re.compile(r"^--[^\n]*\n", re.MULTILINE)
_PLACE: Final = re.compile(r"\{([a-z_]+)\}|(?<![:\w]):([a-z_]+)")


@dataclass(frozen=True, slots=True)
class Fragment:
    """Part of a statement with its values.  `texts`: what stands before, between and behind the values."""

    texts: tuple[str, ...]
    values: tuple[Any, ...] = ()

    def to_sql(self, placeholder: Callable[[int], str]) -> str:
        """Return the text, with `placeholder(n)` for the n-th value, from 1."""
        first, *rest = self.texts
        return first + "".join([placeholder(n) + text for n, text in enumerate(rest, 1)])


class FragmentSet:
    """The parts of one or more files, by name."""

    def __init__(self, *files: tuple[str, str]) -> None:
        """`files`: (package, path) of each.  Raises FileNotFoundError."""
        self._parts: Final[dict[str, str]] = {}
        for package, path in files:
            _, *named = _PART.split(read_sql(package, path))
            for name, text in zip(named[::2], named[1::2], strict=True):
                self._parts[name] = _COMMENT.sub("", text).strip()

    def compose(self, name: str, places: Mapping[str, Fragment] | None = None, **values: Any) -> Fragment:
        """Fill a part: other parts into its places, and values for its parameters.

        Raises KeyError for a place or a parameter that is not given.
        """
        texts, bound, end = [""], list[Any](), 0
        part = self._parts[name]
        for found in _PLACE.finditer(part):
            texts[-1] += part[end : found.start()]
            end = found.end()
            if found[1] is not None:
                inner = (places or {})[found[1]]
                texts[-1] += inner.texts[0]
                texts += inner.texts[1:]
                bound += inner.values
            else:
                bound.append(values[found[2]])
                texts.append("")
        texts[-1] += part[end:]
        return Fragment(tuple(texts), tuple(bound))


def join_fragments(separator: Fragment, fragments: Iterable[Fragment]) -> Fragment:
    """Join fragments by a part without values, as `UNION ALL` or `AND`.  Raises ValueError for none."""
    (between,) = separator.texts
    texts, values = list[str](), list[Any]()
    for fragment in fragments:
        if texts:
            texts[-1] += f" {between} {fragment.texts[0]}"
            texts += fragment.texts[1:]
        else:
            texts += fragment.texts
        values += fragment.values
    if not texts:
        raise ValueError("there is nothing to join")
    return Fragment(tuple(texts), tuple(values))
