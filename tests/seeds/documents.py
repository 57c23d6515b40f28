"""The seed documents: their examples are executed from their own text, which is not part of this project."""

from __future__ import annotations

import os
import re
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = Path(os.environ.get("SEED_DOCS", ROOT.parent / "shared" / "seeds"))


def blocks(number: str) -> list[str]:
    """The fenced blocks of a seed, in order.  Skips the test where the documents are not at hand."""
    found = sorted(DOCS.glob(f"{number}_*.txt")) if DOCS.is_dir() else []
    if not found:
        pytest.skip(f"the seed documents are not in {DOCS}; set SEED_DOCS to their folder to run their examples")
    text = found[0].read_text(encoding="utf-8")
    return [textwrap.dedent(code) for code in re.findall(r"^```\w*\n(.*?)^```", text, re.S | re.M)]
