"""Ids of runs, and names of tasks, in paths: a `/` in them is written `~1`, and `~` as `~0` (RFC 6901)."""

from __future__ import annotations

import re
from typing import Annotated, Final
from urllib.parse import quote

from fastapi import Depends, Path

RUN_ID: Final = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}(/.+)?", re.DOTALL)

RUN: Final = "019f21a2-5c3e-7b10-9d4f-2a6b8c0d1e2f"
"""in examples"""


def encode_run_id(run_id: str) -> str:
    """Return a run's id as one segment of a path, percent-encoded."""
    return quote(run_id.replace("~", "~0").replace("/", "~1"), safe="~")


def decode_run_id(segment: str) -> str:
    """Return the run id in a segment of a path that is percent-decoded."""
    return segment.replace("~1", "/").replace("~0", "~")


def has_form_of_id(run_id: str) -> bool:
    """Return True for a UUID, and for one with tasks behind it, of a child run; runs of graphs may have other ids."""
    return RUN_ID.fullmatch(run_id) is not None


def _run_id_of_path(
    run_id: Annotated[str, Path(description="id of a run; `/` in it is written `~1`, and `~` as `~0`", examples=[RUN])],
) -> str:
    return decode_run_id(run_id)


def _task_of_path(
    task: Annotated[
        str, Path(description="name of a task; `/` in it is written `~1`, and `~` as `~0`", examples=["charge"])
    ],
) -> str:
    return decode_run_id(task)


def _workflow_of_path(
    name: Annotated[
        str, Path(description="name of a workflow; `/` in it is written `~1`, and `~` as `~0`", examples=["orders"])
    ],
) -> str:
    return decode_run_id(name)


RunId = Annotated[str, Depends(_run_id_of_path)]
"""parameter of an endpoint below `/{run_id}`: the id as it is in the database"""
TaskName = Annotated[str, Depends(_task_of_path)]
"""parameter of an endpoint below `/{task}`: the name as it is in the plan"""
WorkflowName = Annotated[str, Depends(_workflow_of_path)]
"""parameter of an endpoint below `/workflows/{name}`: the name as it is in the catalog"""
