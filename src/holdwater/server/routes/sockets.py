"""WebSockets of the API."""

from __future__ import annotations

import asyncio
from typing import Final

from fastapi import APIRouter, Query
from fastapi.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.websockets import WebSocket

from holdwater.errors import HoldwaterError
from holdwater.server.access import caller_of, check_tenant
from holdwater.server.control.run_places import find_tenant_of_run
from holdwater.server.control.tables import ServerTables
from holdwater.server.refusals import RequestError
from holdwater.server.routes.not_offered import GRAPHS
from holdwater.server.sockets.delivery import Delivery
from holdwater.server.sockets.handshake import handshake_of, refuse
from holdwater.server.tenant_database import BORROWED, TenantDatabase, tenants_of

EVENTS_OF_A_RUN: Final = "exec_events:"
"""beginning of a recipient, before the id of a run"""

router = APIRouter()


@router.websocket("/v1/ws/delivery/{recipient:path}")
async def deliver_events(socket: WebSocket, recipient: str, tenant: str | None = Query(None, max_length=100)) -> None:
    """Push the events of a run: `exec_events:ID`.  `tenant`: of the run; for a key of one tenant it is that."""
    handshake = handshake_of(socket.scope)
    caller, access_ended = caller_of(handshake), asyncio.Event()
    try:
        run_id = _run_id(recipient)
        with handshake.app.state.policy.open_requests.stream(caller, access_ended.set):
            found = await _open_tenant(handshake, tenant, run_id)
            socket.scope[BORROWED] = found
            await run_in_threadpool(found.database.runs.row, run_id)
            await Delivery(socket, found.streams, found.tenant, run_id, recipient, access_ended).serve()
    except (HTTPException, HoldwaterError) as error:  # raised before the connection is accepted
        await refuse(socket.scope, socket.receive, socket.send, error)


@router.websocket("/v1/ws/{path:path}")
async def refuse_others(socket: WebSocket, path: str) -> None:
    """Refuse what is not here: accumulators and reactors of graphs among it."""
    error = RequestError(404, "there is no WebSocket at this path", code="not_offered", hint=GRAPHS)
    await refuse(socket.scope, socket.receive, socket.send, error)


def _run_id(recipient: str) -> str:
    """Return the run that a recipient names.  Raises RequestError."""
    if not recipient.startswith(EVENTS_OF_A_RUN) or recipient == EVENTS_OF_A_RUN:
        raise RequestError(
            404, f"nothing is delivered to {recipient[:80]!r}", hint=f"write {EVENTS_OF_A_RUN}ID, with the id of a run"
        )
    return recipient.removeprefix(EVENTS_OF_A_RUN)


async def _open_tenant(handshake: Request, given: str | None, run_id: str) -> TenantDatabase:
    """Return the database of a run, borrowed.

    Raises RequestError (403) for a caller without a role in the tenant, TenantNotFound, StoreUnavailable.
    """
    name = given or caller_of(handshake).tenant
    if name is None:
        control: ServerTables | None = handshake.app.state.control
        if control is None:
            name = tenants_of(handshake).default
        else:
            name = await run_in_threadpool(find_tenant_of_run, control.database, run_id)
    check_tenant(handshake, name)
    return await run_in_threadpool(tenants_of(handshake).borrow, name)
