"""The list of runs: filters in the URL, saved views, counts, runs per hour, and acts on many runs."""

from __future__ import annotations

from fastapi import APIRouter

from holdwater.server.pages.runs import bulk, columns, page, views

router = APIRouter()
for part in (bulk, columns, views, page):
    router.include_router(part.router)
