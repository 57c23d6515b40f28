"""Inputs and summary of a demo run, for the command line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from holdwater.demo.files import EFFECTS_LOG
from holdwater.demo.weather import WORKFLOW_NAME

__all__ = ["PAUSE_SECONDS", "WORKFLOW_NAME", "initial_context", "summary_lines"]

PAUSE_SECONDS: Final = 0.4  # long enough to watch the run, and to kill the process between two tasks


def initial_context(output_dir: Path, pause_seconds: float = PAUSE_SECONDS) -> dict[str, Any]:
    """Build the initial context: output directory, and the pause of each task in seconds."""
    # Absolute: the run may be finished by a process that was started elsewhere.
    return {"output_dir": str(output_dir.resolve()), "pause_seconds": pause_seconds}


def summary_lines(result_context: Mapping[str, Any]) -> list[str]:
    """List findings and written files as lines; a failed run has fewer of both."""
    lines = [*result_context.get("findings", []), *filter(None, [result_context.get("note")])]
    paths = [(name, result_context[key]) for key, name in _FILE_LABELS.items() if result_context.get(key)]
    if "output_dir" in result_context:
        paths.append(("Effects log", str(Path(result_context["output_dir"]) / EFFECTS_LOG)))
    return [*lines, *(f"{name + ':':<15}{path}" for name, path in paths)]


_FILE_LABELS: Final = {
    "report": "Report",
    "picture": "Picture",
    "repaired": "Repaired data",
    "rejected": "Rejected rows",
}
