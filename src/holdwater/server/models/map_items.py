"""Items of durable maps."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel, Field

from holdwater.model.map_items import MapProgress
from holdwater.operations.map_items import FailedItem
from holdwater.server.models.base import Page


class FailedItemBody(BaseModel):
    """An item that failed, with its own inputs as they are stored."""

    index: int
    error: str = Field(examples=["ValueError: file 7 is broken"])
    traceback: str | None
    inputs: Any

    @classmethod
    def of(cls, item: FailedItem) -> FailedItemBody:
        """Create it from an item."""
        inputs = None if item.inputs is None else json.loads(item.inputs)
        return cls(index=int(item.label), error=item.error, traceback=item.traceback, inputs=inputs)


class MapItemPage(Page):
    """Counts of the items of a durable map, and a page of those that failed.

    `item_count`: null while the inputs do not tell it.  `total` counts the failed items of this page.
    """

    execution_id: str
    item_count: int | None
    completed: int
    failed: int
    items: list[FailedItemBody]

    @classmethod
    def of(
        cls, tenant_id: str, run_id: str, progress: MapProgress, items: tuple[FailedItem, ...], limit: int
    ) -> MapItemPage:
        """Create a page.  `items`: up to one more than `limit`."""
        shown = [FailedItemBody.of(item) for item in items[:limit]]
        return cls(
            tenant_id=tenant_id,
            execution_id=run_id,
            item_count=progress.total,
            completed=progress.completed,
            failed=progress.failed,
            items=shown,
            total=len(shown),
            next_cursor=items[limit].label if len(items) > limit else None,
        )
