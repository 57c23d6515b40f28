"""The page of one run: a header, tabs, the panel of the selected node, and the acts on the run."""

from __future__ import annotations

from fastapi import APIRouter

from holdwater.server.pages.run import acts, answer, fork, log, page, value_page

router = APIRouter()
for part in (log, value_page, fork, answer, acts, page):
    router.include_router(part.router)

__all__ = ["router"]
