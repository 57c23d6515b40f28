"""Draw docs/_static/components.svg: the components of a runner, from what a runner says of itself.

Usage: python docs/make_component_diagram.py; the documentation build does the same.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from holdwater import DefaultRunner
from holdwater.drawing.picture import Arrow, Box, BoxKind, Picture
from holdwater.drawing.svg import render_svg
from holdwater.executors import Router
from holdwater.runners.tasks.config import DefaultRunnerConfig

FOLDER: Final = Path(__file__).parent / "_static"
LAYERS: Final[dict[str, tuple[BoxKind, str]]] = {
    "DefaultRunner": ("function", "owns the rest"),
    "TaskScheduler": ("function", "decides what is ready"),
    "Scheduler": ("function", "fires schedules, asks triggers"),
    "CronRecoveryService": ("function", "starts lost fires again"),
    "DefaultDispatcher": ("question", "task to executor"),
    "Router": ("question", "patterns over full names"),
    "ThreadTaskExecutor": ("input", "slots, time-outs, retries"),
    "StaleClaimSweeper": ("input", "takes over from the dead"),
    "WorkflowRegistry": ("route", "archives and versions"),
    "RegistryReconciler": ("route", "loads and unloads"),
    "PackageWatcher": ("route", "hears of files"),
    "DAL": ("graph", "one protocol, three stores"),
}
"""name -> the colour of its layer, what it does"""
LABELS: Final = {
    ("TaskScheduler", "DefaultDispatcher"): "ready tasks",
    ("ThreadTaskExecutor", "TaskScheduler"): "results",
    ("Scheduler", "DefaultRunner"): "runs",
    ("RegistryReconciler", "DefaultRunner"): "workflows",
}


def draw_components() -> str:
    with DefaultRunner("memory://", config=DefaultRunnerConfig(routing=Router())) as runner:
        found = runner.components()
    boxes = {one.name: Box(one.name, LAYERS[one.name][0], (LAYERS[one.name][1],)) for one in found}
    picture = Picture("Components of a runner", {**boxes, "Database": Box("Database", "end")})
    for one in found:
        for other in one.uses:
            picture.arrows.append(Arrow(one.name, other, "data", LABELS.get((one.name, other), "")))
    picture.arrows.append(Arrow("DAL", "Database", "data"))
    return render_svg(picture)


DIAGRAMS: Final = {"components.svg": draw_components}


def write_all() -> None:
    for name, draw in DIAGRAMS.items():
        (FOLDER / name).write_text(draw() + "\n", encoding="utf-8")


if __name__ == "__main__":
    write_all()
