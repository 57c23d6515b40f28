"""What a command line needs to run the demo: its inputs before, its summary after."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from holdwater.demo.files import EFFECTS
from holdwater.demo.weather import WORKFLOW

__all__ = ["PACE_S", "WORKFLOW", "inputs", "summary"]

PACE_S: Final = 0.4  # long enough to watch, and to kill the process in between


def inputs(output_dir: Path, pace_s: float = PACE_S) -> dict[str, Any]:
    """The context a run starts with: where to write, and how many seconds each task pauses."""
    # Absolute: the run may be finished by a process that was started elsewhere.
    return {"output_dir": str(output_dir.resolve()), "pace_s": pace_s}


def summary(result_context: Mapping[str, Any]) -> list[str]:
    """Lines to print after the run: findings and the files written; a failed run has fewer of both."""
    lines = [*result_context.get("findings", []), *filter(None, [result_context.get("note")])]
    paths = [(name, result_context[key]) for key, name in _FILES.items() if result_context.get(key)]
    if "output_dir" in result_context:
        paths.append(("Effects log", str(Path(result_context["output_dir"]) / EFFECTS)))
    return [*lines, *(f"{name + ':':<15}{path}" for name, path in paths)]


_FILES: Final = {
    "report": "Report",
    "picture": "Picture",
    "repaired": "Repaired data",
    "rejected": "Rejected rows",
}
