"""Reads the pages of the documentation: fenced blocks, and the markers in comments before them.

`<!-- file: NAME -->`: the block is the content of a file in the directory of the page's session.
`<!-- wait for: TEXT -->`: the last command of the block stays in the background; go on when it has printed TEXT.
`<!-- not executed: REASON -->`: the block is only read.
`<!-- command: NAME -->`: executed by .ci/run.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
DOCS: Final = ROOT / "docs"
PAGES: Final = [ROOT / "README.md", *sorted(path for path in DOCS.rglob("*.md") if "_build" not in path.parts)]

_BLOCK: Final = re.compile(
    r"(?:<!-- (?P<marker>file|wait for|not executed|command): (?P<value>[^\n]*?) -->\n+)?"
    r"^```(?P<language>[a-z]+)\n(?P<code>.*?)^```",
    re.M | re.S,
)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, and the marker before it ("" if there is none)."""

    language: str
    code: str
    marker: str
    value: str


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [
        Block(found["language"], found["code"], found["marker"] or "", found["value"] or "")
        for found in _BLOCK.finditer(text)
    ]


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def commands(code: str) -> list[tuple[str, str]]:
    """The commands of a console block with the output printed after each."""
    found: list[tuple[str, list[str]]] = []
    for line in code.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        elif found and found[-1][0].endswith("\\"):
            found[-1] = (f"{found[-1][0]}\n{line}", [])
        elif found:
            found[-1][1].append(line)
    return [(command, "\n".join(output)) for command, output in found]
