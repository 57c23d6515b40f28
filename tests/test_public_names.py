"""Public names of the package: every one that is listed can be imported, and type checkers see the same ones."""

from __future__ import annotations

import ast
from pathlib import Path

import holdwater


def test_every_name_can_be_imported() -> None:
    assert [name for name in holdwater.__all__ if not hasattr(holdwater, name)] == []


def test_type_checkers_see_the_same_names() -> None:
    assert holdwater.__file__ is not None
    tree = ast.parse(Path(holdwater.__file__).read_text(encoding="utf-8"))
    guard = next(one for one in tree.body if isinstance(one, ast.If))
    seen = {alias.name for one in guard.body if isinstance(one, ast.ImportFrom) for alias in one.names}
    assert seen | {"__version__"} == set(holdwater.__all__)
