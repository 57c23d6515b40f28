"""Pages of the server itself, for its administrators: tenants, keys, audit, processes."""

from __future__ import annotations

from fastapi import APIRouter, Depends

from holdwater.server.page_roles import for_god
from holdwater.server.pages.admin import audit, keys, server, tenants

router = APIRouter(prefix="/admin", dependencies=[Depends(for_god)])
for part in (audit, keys, server, tenants):
    router.include_router(part.router)
