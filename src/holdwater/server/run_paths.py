"""Ids of runs in paths: ids of child runs contain `/`, which is written `~1` there, and `~` as `~0` (RFC 6901)."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import Depends


def encode_run_id(run_id: str) -> str:
    """Return a run's id as one segment of a path, percent-encoded."""
    return quote(run_id.replace("~", "~0").replace("/", "~1"), safe="~")


def decode_run_id(segment: str) -> str:
    """Return the run id in a segment of a path that is percent-decoded."""
    return segment.replace("~1", "/").replace("~0", "~")


def _run_id_of_path(run_id: str) -> str:
    return decode_run_id(run_id)


RunId = Annotated[str, Depends(_run_id_of_path)]
"""parameter of an endpoint below `/{run_id}`: the id as it is in the database"""
