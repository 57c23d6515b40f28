"""The page of one run: a header, tabs, the panel of the selected node, and the acts on the run."""

from __future__ import annotations

from holdwater.server.pages.run.page import router

__all__ = ["router"]
