"""The state diagrams of the documentation are those of the kernel's tables."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def test_the_diagrams_are_current() -> None:
    """Run `python docs/make_state_diagrams.py` after a change of the tables, the labels or the drawing."""
    diagrams: dict[str, Callable[[], str]] = runpy.run_path(str(DOCS / "make_state_diagrams.py"))["DIAGRAMS"]
    for name, draw in diagrams.items():
        assert (DOCS / "_static" / name).read_text(encoding="utf-8") == draw() + "\n", name
