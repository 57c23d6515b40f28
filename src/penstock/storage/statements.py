"""SQL from `.sql` files: one statement or small transaction each, read once.

A file names its parameters (`:run_id`).  A driver gets them numbered in the order of first appearance, so that the hot
path binds plain tuples.
"""

from __future__ import annotations

import pkgutil
import re
from collections.abc import Callable

_COMMENT = re.compile(r"--[^\n]*\n")
_PARAMETER = re.compile(r"(?<![:\w]):([a-z_]+)")


def read(package: str, path: str) -> str:
    """The text of a file inside a package.  Raises FileNotFoundError."""
    data = pkgutil.get_data(package, path)
    if data is None:  # only a loader that cannot read data says so
        raise FileNotFoundError(f"{package}: {path}")
    return data.decode()


def numbered(sql: str, mark: Callable[[int], str]) -> str:
    """The statement without comments and with `mark(n)`, from 1, in the places of its named parameters."""
    places: dict[str, int] = {}
    bare = _COMMENT.sub("", sql).strip()
    return _PARAMETER.sub(lambda m: mark(places.setdefault(m[1], len(places) + 1)), bare)
