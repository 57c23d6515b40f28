"""HTTP server of one database: web pages below `/ui`, the JSON API below `/v1`.  Needs the extra `[ui]`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdwater.model.lazy_imports import lazy_module

if TYPE_CHECKING:
    from holdwater.server.app import app_for

__all__ = ["app_for"]

_EXPORTS = {".app": ("app_for",)}

__getattr__, __dir__ = lazy_module(__name__, _EXPORTS)
