"""Streams of server-sent events."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import Depends, Header, Query

from holdwater.server.api_routing import api_router, error_responses
from holdwater.server.open_requests import become_stream
from holdwater.server.positions import POSITION_PATTERN, parse_position
from holdwater.server.run_paths import RunId
from holdwater.server.streams.log_lines import with_log
from holdwater.server.streams.responses import EventStreamResponse, OpenStream
from holdwater.server.tenant_database import Tenant

EVENT_STREAM: Final = "text/event-stream"
RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {EVENT_STREAM: {"schema": {"type": "string"}}}, "description": "Server-sent events."},
    **error_responses(429),
}

router = api_router("streams")
AS_STREAM: Final = [Depends(become_stream)]


@router.get(
    "/executions/{run_id}/stream",
    status_code=200,
    response_class=EventStreamResponse,
    responses=RESPONSES,
    dependencies=AS_STREAM,
)
async def stream_execution(
    tenant: Tenant,
    run_id: RunId,
    after: Annotated[str, Query(pattern=POSITION_PATTERN, description="only events behind this `id`")] = "0",
    logs: Annotated[bool, Query(description="with the lines of the log as `log` events, without ids")] = False,
    logs_after: Annotated[str | None, Query(max_length=100, description="only lines behind this `cursor`")] = None,
    values: Annotated[bool, Query(description="with values of users, up to 16 KiB each")] = False,
    last_event_id: Annotated[str | None, Header(description="as `after`, and before it")] = None,
) -> EventStreamResponse:
    """Stream the events of a run as they are recorded, until it has ended.

    Each has an `id`: connecting again with the last one goes on exactly behind it, in any process.  `end` comes last;
    `beat` every 15 s; `bye` when the server ends.
    """
    place = parse_position(after if last_event_id is None else last_event_id)
    stream = await tenant.streams.open_run(run_id, place, with_values=values)
    if logs:
        try:
            log = await tenant.streams.log_of(run_id, logs_after)
        except BaseException:
            stream.close()
            raise
        stream = OpenStream(with_log(stream.messages, log), stream.close)
    return EventStreamResponse(stream)


@router.get("/stream", status_code=200, response_class=EventStreamResponse, responses=RESPONSES, dependencies=AS_STREAM)
async def stream_hints(tenant: Tenant) -> EventStreamResponse:
    """Stream hints of what changes: `run`, `question`, `schedule`, `runner`.

    They are coalesced, at most four a second for a run; after a gap comes `resync`, as at the beginning: read again.
    """
    return EventStreamResponse(await tenant.streams.open_hints())
