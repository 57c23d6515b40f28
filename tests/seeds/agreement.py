"""Whether what we have agrees with a signature or a dataclass that a document shows."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Callable
from itertools import takewhile
from types import SimpleNamespace
from typing import Any

_FUTURE = "from __future__ import annotations\n"
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def execute_block(text: str, name: str, **scope: Any) -> SimpleNamespace:
    """What a block defines.  Its annotations are not looked up: they name things of other pages."""
    exec(compile(_FUTURE + text, f"<{name}>", "exec"), scope)
    return SimpleNamespace(**scope)


def assert_callable_as(shown: Callable[..., Any], ours: Callable[..., Any]) -> None:
    """Every call the shown signature allows is allowed by ours, and defaults to the same."""
    theirs, known = inspect.signature(shown).parameters, inspect.signature(ours).parameters
    assert inspect.iscoroutinefunction(shown) == inspect.iscoroutinefunction(ours)
    for name, parameter in theirs.items():
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            assert inspect.Parameter.VAR_KEYWORD in {one.kind for one in known.values()}
            continue
        assert known[name].kind is parameter.kind, name
        if parameter.default is not inspect.Parameter.empty:
            assert known[name].default == parameter.default, name
    for name, parameter in known.items():
        if name not in theirs:  # ours has more, which nobody has to give
            optional = parameter.default is not inspect.Parameter.empty
            assert optional or parameter.kind is inspect.Parameter.VAR_KEYWORD, name
    places = [name for name, one in theirs.items() if one.kind in _POSITIONAL]
    assert [name for name, one in known.items() if one.kind in _POSITIONAL] == places


def fields_of(kind: Any) -> dict[str, Any]:
    """Fields of a dataclass with their defaults."""
    return {field.name: field.default for field in dataclasses.fields(kind)}


def rows_of_table(page: str, heading: str) -> list[list[str]]:
    """The rows of the Markdown table whose first column has this heading, the heading first."""
    lines = page[page.index(f"| {heading} ") :].splitlines()
    table = takewhile(lambda line: line.startswith("|"), lines)
    rows = [re.findall(r"\|\s*([^|]*?)\s*(?=\|)", line) for line in table]
    return [rows[0], *rows[2:]]
