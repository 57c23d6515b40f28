"""Draw docs/_static/run.svg: examples/orders.py is killed, shown, and started again, in a terminal.

Usage: python docs/make_picture.py (needs `holdwater` on the path)
"""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

HERE = Path(__file__).parent
STYLES = {
    r"^\$ .*": "bold white",
    r"\bCompleted\b": "green",
    r"\bRunning\b(: orphaned by \S+)?": "yellow",
    r"\bPending\b": "grey62",
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ": "grey62",
    r"\bKilled\b": "red",
}


def session(directory: Path) -> list[str]:
    """Run the example as the tutorial does; return what a terminal shows."""
    shutil.copy(HERE.parent / "examples" / "orders.py", directory)
    show = ["holdwater", "runs", "show", "@last", "--database", "sqlite:///orders.db"]
    lines = ["$ python orders.py"]
    with subprocess.Popen([sys.executable, "orders.py"], cwd=directory, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        for line in first.stdout:
            lines.append(line.rstrip())
            if "A-2" in line:
                first.kill()
    lines += ["Killed", "$ holdwater runs show @last", *output(show, directory), "$ python orders.py"]
    lines += [*output([sys.executable, "orders.py"], directory), "$ holdwater runs show @last"]
    return [*lines, *[line for line in output(show, directory) if not line.startswith(("workflow", "key", "run "))]]


def output(command: list[str], directory: Path) -> list[str]:
    text = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=True).stdout
    return [line for line in text.splitlines() if not line.startswith(("context", "  orders", "  report ="))]


def draw(lines: list[str]) -> str:
    console = Console(record=True, width=84, file=io.StringIO(), force_terminal=True)
    for line in lines:
        text = Text(line)
        for pattern, style in STYLES.items():
            text.highlight_regex(pattern, style)
        console.print(text)
    svg = console.export_svg(title="examples/orders.py: killed, and started again", theme=MONOKAI)
    svg = re.sub(r"<!-- Generated.*?-->", "", svg)
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.S)
    return svg.replace("Fira Code", "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        (HERE / "_static" / "run.svg").write_text(draw(session(Path(name))), encoding="utf-8")
