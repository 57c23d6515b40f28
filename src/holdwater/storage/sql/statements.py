"""SQL from `.sql` files: one statement or small transaction each, read once.

A file names its parameters (`:run_id`).  Callers give their values as a plain tuple in the order of first appearance.
A database whose placeholders have numbers takes that tuple as it is; so does one whose placeholders have only places,
but for the few statements that name a parameter twice.
"""

from __future__ import annotations

import pkgutil
import re
from collections.abc import Callable, Iterator

_COMMENT = re.compile(r"--[^\n]*\n")
_PARAMETER = re.compile(r"(?<![:\w]):([a-z_]+)")
_STATEMENT_END = re.compile(r";[ \t]*(?:\n|\Z)")


def read_sql(package: str, path: str) -> str:
    """The text of a file inside a package.  Raises FileNotFoundError."""
    data = pkgutil.get_data(package, path)
    if data is None:  # only a loader that cannot read data says so
        raise FileNotFoundError(f"{package}: {path}")
    return data.decode()


def number_parameters(sql: str, placeholder: Callable[[int], str]) -> str:
    """The statement without comments and with `mark(n)`, from 1, in the places of its named parameters."""
    places: dict[str, int] = {}
    return _PARAMETER.sub(lambda m: placeholder(places.setdefault(m[1], len(places) + 1)), _strip_comments(sql))


def to_positional(sql: str) -> tuple[str, tuple[int, ...]]:
    """The statement with a bare `?` for each parameter, and for each `?` the index (from 0) of its parameter."""
    names = parameter_names(sql)
    order = tuple(names.index(m[1]) for m in _PARAMETER.finditer(_strip_comments(sql)))
    return _PARAMETER.sub("?", _strip_comments(sql)), order


def parameter_names(sql: str) -> list[str]:
    """The names of a statement's parameters, in the order of their numbers."""
    return list(dict.fromkeys(m[1] for m in _PARAMETER.finditer(_strip_comments(sql))))


def split_statements(script: str) -> Iterator[str]:
    """The statements of a script, one by one: each ends with a semicolon at the end of a line."""
    for statement in _STATEMENT_END.split(_COMMENT.sub("", script)):
        if statement.strip():
            yield statement.strip()


def _strip_comments(sql: str) -> str:
    return _COMMENT.sub("", sql).strip()
