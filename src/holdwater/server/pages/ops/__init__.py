"""Operation of a database: what the doctor finds, runners, retention, verification, facts."""

from __future__ import annotations

from fastapi import APIRouter

from holdwater.server.pages.ops import bulk, limits, page, retention, secrets, verification

router = APIRouter()
for part in (bulk, limits, page, retention, secrets, verification):
    router.include_router(part.router)
