"""Operation of a database: what the doctor finds, runners, retention, verification, facts."""

from __future__ import annotations

from fastapi import APIRouter

from holdwater.server.pages.ops import bulk, page, retention, verification

router = APIRouter()
for part in (bulk, page, retention, verification):
    router.include_router(part.router)
