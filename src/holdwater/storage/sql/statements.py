"""SQL from `.sql` files: one statement or small transaction each, read once.

A file names its parameters (`:run_id`).  Callers pass their values as a tuple in the order of first appearance.  That
tuple fits numbered placeholders (`$1`), and positional ones (`?`) unless a statement names a parameter twice.
"""

from __future__ import annotations

import pkgutil
import re
from collections.abc import Callable, Iterator

_COMMENT = re.compile(r"--[^\n]*\n")
_PARAMETER = re.compile(r"(?<![:\w]):([a-z_]+)")
_STATEMENT_END = re.compile(r";[ \t]*(?:\n|\Z)")


def read_sql(package: str, path: str) -> str:
    """Read a file inside a package.  Raises FileNotFoundError."""
    data = pkgutil.get_data(package, path)
    if data is None:  # the package has a loader that cannot read data
        raise FileNotFoundError(f"{package}: {path}")
    return data.decode()


def number_parameters(sql: str, placeholder: Callable[[int], str]) -> str:
    """Strip comments and replace the n-th named parameter, from 1, by `placeholder(n)`."""
    places: dict[str, int] = {}
    return _PARAMETER.sub(lambda m: placeholder(places.setdefault(m[1], len(places) + 1)), _strip_comments(sql))


def to_positional(sql: str) -> tuple[str, tuple[int, ...]]:
    """Replace each named parameter by `?`; returns the statement and the index of each `?`'s parameter, from 0."""
    names = parameter_names(sql)
    order = tuple(names.index(m[1]) for m in _PARAMETER.finditer(_strip_comments(sql)))
    return _PARAMETER.sub("?", _strip_comments(sql)), order


def parameter_names(sql: str) -> list[str]:
    """List the names of a statement's parameters, in the order of first appearance."""
    return list(dict.fromkeys(m[1] for m in _PARAMETER.finditer(_strip_comments(sql))))


def split_statements(script: str) -> Iterator[str]:
    """Iterate over the statements of a script; each ends with a semicolon at the end of a line."""
    for statement in _STATEMENT_END.split(_COMMENT.sub("", script)):
        if statement.strip():
            yield statement.strip()


def _strip_comments(sql: str) -> str:
    return _COMMENT.sub("", sql).strip()
