"""Open questions of all runs."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from holdwater.model.time import Micros
from holdwater.operations.questions import count_questions, list_questions
from holdwater.server.api_routing import api_router
from holdwater.server.models.executions import Count
from holdwater.server.models.questions import OpenQuestionBody, QuestionPageBody
from holdwater.server.paging import DEFAULT_LIMIT, Cursor, Limit, decode_cursor, encode_cursor
from holdwater.server.request_values import Typed
from holdwater.server.tenant_database import Tenant

router = api_router("questions", "/questions")


@router.get("", name="list_questions")
def list_open_questions(
    tenant: Tenant,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
    count: Annotated[bool, Query(description="with `counts`, up to 1,000")] = False,
    oldest: Annotated[bool, Query(description="the one that waits longest first")] = False,
    typed: Typed = False,
) -> QuestionPageBody:
    """List the questions that wait for answers, the newest first."""
    parts = ["oldest questions" if oldest else "questions", tenant.tenant]
    after = None
    if cursor is not None:
        at, run_id, node = decode_cursor(cursor, parts, (int, str, int))
        after = (Micros(at), run_id, node)
    page = list_questions(tenant.database, limit=limit, after=after, newest_first=not oldest)
    counted = count_questions(tenant.database) if count else None
    return QuestionPageBody(
        tenant_id=tenant.tenant,
        items=[OpenQuestionBody.of(question, typed=typed) for question in page.questions],
        total=len(page.questions),
        next_cursor=None if page.next_cursor is None else encode_cursor([*page.next_cursor], parts),
        counts=None if counted is None else Count(count=counted.count, more=counted.has_more),
    )
