"""Runs as they are recorded, read without the code of their workflows.

Nothing is imported before it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdwater.model.lazy_imports import lazy_module

if TYPE_CHECKING:
    from holdwater.runs.activity import Activity
    from holdwater.runs.follow import RunFollower
    from holdwater.runs.info import RunInfo
    from holdwater.runs.nodes import AttemptView, ChildRun, Failure, NodeState, NodeView
    from holdwater.runs.open_pauses import Pause
    from holdwater.runs.reader import RunReader
    from holdwater.runs.view import RunView

__all__ = [
    "Activity",
    "AttemptView",
    "ChildRun",
    "Failure",
    "NodeState",
    "NodeView",
    "Pause",
    "RunFollower",
    "RunInfo",
    "RunReader",
    "RunView",
]

_EXPORTS = {
    ".activity": ("Activity",),
    ".follow": ("RunFollower",),
    ".info": ("RunInfo",),
    ".nodes": (
        "AttemptView",
        "ChildRun",
        "Failure",
        "NodeState",
        "NodeView",
    ),
    ".open_pauses": ("Pause",),
    ".reader": ("RunReader",),
    ".view": ("RunView",),
}

__getattr__, __dir__ = lazy_module(__name__, _EXPORTS)
