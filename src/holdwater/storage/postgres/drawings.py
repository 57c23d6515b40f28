"""The PostgreSQL store: layouts of drawings."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from holdwater.model.ports.drawings import MAX_LAYOUTS_BYTES
from holdwater.model.time import Micros
from holdwater.storage.postgres import statements as sql
from holdwater.storage.sql.drawings import DrawingQueries, layout_row


class PostgresDrawings(DrawingQueries):
    """The part of the store for layouts."""

    def put_layout(self, digest: str, layout_format: int, text: str, now: Micros) -> None:
        """Keep a layout in place of one in another format, and delete the oldest beyond the limit."""
        self._execute_update(sql.PUT_LAYOUT, layout_row(digest, layout_format, text, now))
        self._execute_update(sql.DELETE_LAYOUTS, (MAX_LAYOUTS_BYTES,))

    @abstractmethod
    def _execute_update(self, statement: str, parameters: tuple[Any, ...]) -> int: ...
