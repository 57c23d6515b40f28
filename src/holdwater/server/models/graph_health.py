"""Health of graphs that wait for events: empty lists, under the names that clients of Cloacina's server know."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from holdwater.server.models.base import ItemList


class _EmptyList(ItemList):
    """A list of what this engine does not have."""

    is_legacy_name = False

    items: list[dict[str, Any]] = Field(default_factory=list, max_length=0)
    total: int = 0


class GraphHealthList(_EmptyList):
    """No graphs."""

    list_name = "graphs"


class AccumulatorList(_EmptyList):
    """No accumulators."""

    list_name = "accumulators"


class ReactorList(_EmptyList):
    """No reactors."""

    list_name = "reactors"
