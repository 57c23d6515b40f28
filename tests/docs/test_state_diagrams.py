"""The diagrams of the documentation are those of the kernel's tables, and of a runner."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("script", ["make_component_diagram.py", "make_state_diagrams.py"])
def test_the_diagrams_are_current(script: str) -> None:
    """Run `python docs/SCRIPT` after a change of the tables, the labels, the components or the drawing."""
    diagrams: dict[str, Callable[[], str]] = runpy.run_path(str(DOCS / script))["DIAGRAMS"]
    for name, draw in diagrams.items():
        assert (DOCS / "_static" / name).read_text(encoding="utf-8") == draw() + "\n", name
