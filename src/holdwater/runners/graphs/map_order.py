"""A durable map as its caller asks for it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from holdwater.graphs.graph_protocol import GraphProtocol
from holdwater.graphs.nodes.map_config import MapMode
from holdwater.runners.graphs.local.prepare import GivenInputs, OptionalNames


@dataclass(frozen=True, slots=True)
class MapOrder:
    """The arguments of `map` with a `workflow_id`, for every runner of graphs."""

    graph: GraphProtocol
    workflow_id: str
    given: GivenInputs
    map_over: str | Iterable[str]
    map_mode: MapMode = "zip"
    clone: bool | Iterable[str] = False
    select: OptionalNames = None
    entrypoint: OptionalNames = None
    resume: Literal["merge", "strict"] = "merge"
    error_handling: Literal["raise", "continue"] = "raise"
