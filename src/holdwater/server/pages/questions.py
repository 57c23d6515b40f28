"""Open questions of all runs, each with the form of its answer."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from starlette.datastructures import FormData

from holdwater.errors import AnswerError, HoldwaterError, PauseNotFound
from holdwater.model.records import QuestionCursor
from holdwater.model.time import Micros
from holdwater.operations.control import answer_pause, find_pause
from holdwater.operations.questions import OpenQuestion, count_questions, list_questions, question_text
from holdwater.server.access import author_of
from holdwater.server.acts import page_url
from holdwater.server.form_posts import PostedForm, form_texts
from holdwater.server.forms import Form, build_form, read_form, show_posted
from holdwater.server.notices import Notice, redirect_with
from holdwater.server.pages.run.act_texts import pickup_hint
from holdwater.server.pages.run.acts import PICKUP_WAIT_SECONDS
from holdwater.server.rendering import render, render_fragment
from holdwater.server.run_paths import encode_run_id
from holdwater.server.tenant_database import Tenant, TenantDatabase
from holdwater.server.value_tree import ShownValue, show_value

router = APIRouter()

PAGE_QUESTIONS: Final = 25
MAX_LINE_CHARACTERS: Final = 200
"""of a question that is not opened"""
_CURSOR_SEPARATOR: Final = " "


@dataclass(frozen=True, slots=True)
class ShownQuestion:
    """A question with the form of its answer.  `error`: of the answer as a whole."""

    question: OpenQuestion
    value: ShownValue | None
    form: Form
    error: str = ""

    @property
    def line(self) -> str:
        """The question in one line."""
        return question_text(self.question.question, MAX_LINE_CHARACTERS)

    @property
    def key(self) -> str:
        """A text that no other question has."""
        return f"{self.question.run_id} {self.question.pause_id}"


def _show(question: OpenQuestion) -> ShownQuestion:
    value = None if question.question is None else show_value(question.answer_name, question.question)
    form = build_form(question.answer_schema, label=question.answer_name)
    return ShownQuestion(question, value, form.with_id_prefix(_id_prefix(question)))


def _id_prefix(question: OpenQuestion) -> str:
    return f"q{zlib.crc32(f'{question.run_id} {question.pause_id}'.encode()):08x}-"


@router.get("/questions")
def questions_page(request: Request, tenant: Tenant, after: str = "", fragment: str = "") -> Response:
    """Show the questions that wait longest first.  `after`: the place behind the page before."""
    if fragment == "count":
        return render_fragment(request, "questions/count.html", tenant, questions=count_questions(tenant.database))
    values = _page_of(tenant, after)
    if fragment == "list":
        return render_fragment(request, "questions/list.html", tenant, **values)
    return render(request, "questions/page.html", tenant, **values)


@router.post("/questions")
def answer_question(request: Request, tenant: Tenant, posted: PostedForm) -> Response:
    """Answer a question; what does not fit is shown beside the field."""
    run_id, pause_id = str(posted.get("run", "")), str(posted.get("pause", ""))
    url = page_url(request, tenant, "/questions")
    try:
        pause = find_pause(tenant.engine, run_id, pause_id)
        result = read_form(pause.answer_schema, form_texts(posted))
        if result.errors:
            return _show_errors(request, tenant, posted, run_id, pause_id)
        situation = answer_pause(
            tenant.engine, run_id, pause, result.value, by=author_of(request), pickup_seconds=PICKUP_WAIT_SECONDS
        )
    except AnswerError as error:
        return _show_errors(request, tenant, posted, run_id, pause_id, error)
    except PauseNotFound as error:
        return redirect_with(request, url, Notice(f"Nothing was changed: {error.message}.", "warn", error.hint))
    except HoldwaterError as error:
        return redirect_with(request, url, Notice(error.message, "bad", error.hint))
    run_path = f"/runs/{encode_run_id(run_id)}"
    done = Notice(f"{pause_id} is answered.", "ok", pickup_hint(situation), run_path, "Open the run")
    return redirect_with(request, url, done)


def _show_errors(
    request: Request,
    tenant: TenantDatabase,
    posted: FormData,
    run_id: str,
    pause_id: str,
    error: HoldwaterError | None = None,
) -> Response:
    """Show the page again, with what was posted.  `error`: of the answer as a whole."""
    values = _page_of(tenant, str(posted.get("after", "")))
    shown = []
    for one in values["questions"]:
        if (one.question.run_id, one.question.pause_id) == (run_id, pause_id):
            texts, schema = form_texts(posted), one.question.answer_schema
            form = show_posted(schema, texts, read_form(schema, texts).errors, label=one.question.answer_name)
            values["open"] = one.key
            form = form.with_id_prefix(_id_prefix(one.question))
            shown.append(ShownQuestion(one.question, one.value, form, "" if error is None else error.message))
        else:
            shown.append(one)
    return render(request, "questions/page.html", tenant, status_code=422, **{**values, "questions": shown})


def _page_of(tenant: TenantDatabase, after: str) -> dict[str, Any]:
    page = list_questions(tenant.database, limit=PAGE_QUESTIONS, after=_parse_cursor(after), newest_first=False)
    shown = [_show(question) for question in page.questions]
    return {
        "section": "questions",
        "questions": shown,
        "open": "",
        "after": after,
        "older": None if page.next_cursor is None else _CURSOR_SEPARATOR.join(map(str, _reordered(page.next_cursor))),
    }


def _reordered(cursor: QuestionCursor) -> tuple[int, int, str]:
    at, run_id, node = cursor
    return at, node, run_id


def _parse_cursor(text: str) -> QuestionCursor | None:
    """Read the place in a URL; None for one that is no place."""
    at, _, rest = text.partition(_CURSOR_SEPARATOR)
    node, _, run_id = rest.partition(_CURSOR_SEPARATOR)
    if not (at.isdecimal() and node.isdecimal() and run_id) or len(at) > 18 or len(node) > 9:
        return None
    return Micros(int(at)), run_id, int(node)
