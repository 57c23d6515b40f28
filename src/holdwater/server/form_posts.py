"""Posted forms of pages, and the proof that they come from a page of ours."""

from __future__ import annotations

import hmac
from typing import Annotated, Final

from fastapi import Depends, Request
from starlette.datastructures import FormData

from holdwater.server.access import caller_of, check_tenant
from holdwater.server.auditing import note_change
from holdwater.server.refusals import RequestError
from holdwater.server.request_guard import SAFE_METHODS, is_harmless

CSRF_FIELD: Final = "csrf_token"
MAX_FIELDS: Final = 2000


async def posted_form(request: Request) -> FormData:
    """Read the form of a request."""
    return await request.form(max_fields=MAX_FIELDS, max_files=0, max_part_size=16 * 1024 * 1024)


async def check_csrf(request: Request) -> None:
    """Check that the caller has a role in the tenant, and the hidden field `csrf_token` of a posted form.

    Notes the change it asks for.  Raises RequestError.
    """
    check_tenant(request, request.path_params["tenant"])
    await check_token(request)
    if request.method not in SAFE_METHODS and not is_harmless(request):
        await note_change(request)


async def check_token(request: Request) -> None:
    """Check the hidden field, for an act that writes to the audit log in its own transaction.  Raises RequestError."""
    if request.method not in SAFE_METHODS:
        check_token_of(request, await posted_form(request))


def check_token_of(request: Request, form: FormData) -> None:
    """Check the token in a form that was read.  Raises RequestError."""
    given, expected = form.get(CSRF_FIELD), caller_of(request).csrf
    if not (
        isinstance(given, str)
        and expected
        # some charsets decode to lone surrogates
        and hmac.compare_digest(given.encode(errors="backslashreplace"), expected.encode())
    ):
        raise RequestError(
            403,
            "this form is of an earlier session, or of another site; nothing was changed",
            code="csrf_failed",
            hint="open the page again and repeat it",
        )


PostedForm = Annotated[FormData, Depends(posted_form)]
"""parameter of an endpoint of a page: the fields of the posted form"""


def form_texts(form: FormData) -> list[tuple[str, str]]:
    """List the names and texts of the fields of a form, in order."""
    return [(name, text) for name, text in form.multi_items() if isinstance(text, str)]
