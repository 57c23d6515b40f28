"""Keys whose signatures of packages a tenant accepts: the list, trusting one, and the end of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import HTMLResponse

from holdwater.drawing.marks import MarkName
from holdwater.errors import HoldwaterError, InvalidArgument
from holdwater.model.releases import TrustedKey
from holdwater.model.time import Micros, add_seconds
from holdwater.operations import trusted_keys
from holdwater.packages.signatures.signing_keys import parse_public_key, trusted_key
from holdwater.server.access import author_of
from holdwater.server.acts import act_and_redirect, page_url, writable_database
from holdwater.server.command_lines import command_line
from holdwater.server.errors import status_and_code
from holdwater.server.form_posts import PostedForm
from holdwater.server.notices import Notice, redirect_with
from holdwater.server.page_roles import for_admins
from holdwater.server.pages.key_pages import EXPIRIES
from holdwater.server.refusals import ERROR_CODE
from holdwater.server.rendering import render
from holdwater.server.tenant_database import Tenant, TenantDatabase

router = APIRouter(dependencies=[Depends(for_admins)])

MAX_NAME_CHARS: Final = 100
MAX_KEY_CHARS: Final = 10_000
TrustState = Literal["trusted", "expired", "revoked"]
_MARKS: Final[dict[TrustState, MarkName]] = {"trusted": "completed", "expired": "pending", "revoked": "cancelled"}


@dataclass(frozen=True, slots=True)
class ShownTrustedKey:
    """A key with what a page says of it."""

    key: TrustedKey
    state: TrustState

    @property
    def mark(self) -> MarkName:
        return _MARKS[self.state]

    @property
    def word(self) -> str:
        return self.state.capitalize()


@dataclass(slots=True)
class TrustForm:
    """The form, as it was filled in.  `expires`: seconds from now, "" for never."""

    name: str = ""
    public_key: str = ""
    expires: str = ""


@router.get("/trusted-keys")
def trusted_keys_page(request: Request, tenant: Tenant) -> HTMLResponse:
    """List the keys, revoked ones last, with the form of another one."""
    return _show_page(request, tenant, TrustForm())


@router.post("/trusted-keys", name="trust_key")
def trust_key_by_form(request: Request, tenant: Tenant, posted: PostedForm) -> Response:
    """Accept the signatures of a key from now on."""
    form = TrustForm(*[str(posted.get(name, ""))[:MAX_KEY_CHARS].strip() for name in TrustForm.__slots__])
    try:
        if not form.name.isprintable() or not 0 < len(form.name) <= MAX_NAME_CHARS:
            raise InvalidArgument(f"the name of a key has 1 to {MAX_NAME_CHARS} characters that can be printed")
        if form.expires not in EXPIRIES:
            raise InvalidArgument("the key ends at one of the times of the form, or never")
        database = writable_database(tenant)
        expires_at = add_seconds(database.clock.now(), float(form.expires)) if form.expires else None
        raw = parse_public_key(form.public_key.encode(errors="replace"), "the text")
        made = trusted_key(raw, form.name, added_by=author_of(request), expires_at=expires_at)
        added = trusted_keys.trust_key(database, made)
    except HoldwaterError as error:
        request.scope[ERROR_CODE] = status_and_code(error)[1]
        return _show_page(request, tenant, form, error)
    notice = Notice(f"Signatures of {added.name} ({added.fingerprint[:16]}) are accepted from now on.", "ok")
    return redirect_with(request, page_url(request, tenant, "/trusted-keys"), notice)


@router.post("/trusted-keys/{fingerprint}/revoke", name="revoke_trusted_key")
def revoke_trusted_key_by_form(request: Request, tenant: Tenant, fingerprint: str) -> Response:
    """Accept no more signatures of a key."""

    def act() -> Notice:
        revoked = trusted_keys.revoke_key(writable_database(tenant), fingerprint)
        return Notice(f"Signatures of {revoked.name} ({revoked.fingerprint[:16]}) are accepted no more.", "ok")

    return act_and_redirect(request, page_url(request, tenant, "/trusted-keys"), act)


def _show_page(
    request: Request, tenant: TenantDatabase, form: TrustForm, error: HoldwaterError | None = None
) -> HTMLResponse:
    now = tenant.database.clock.now()
    shown = [_show(key, now) for key in trusted_keys.list_trusted_keys(tenant.database)]
    return render(
        request, "packages/trusted_keys.html", tenant, status_code=200 if error is None else 400, section="packages",
        keys=sorted(shown, key=lambda one: one.state == "revoked"), form=form, expiries=EXPIRIES,
        max_name=MAX_NAME_CHARS, error="" if error is None else error.message, hint=error.hint if error else "",
        requires_signature=tenant.executed.requires_signature(),
        command=command_line(tenant, "package", "keys", "add", "ops-2026.pub"),
    )  # fmt: skip


def _show(key: TrustedKey, now: Micros) -> ShownTrustedKey:
    if key.revoked_at is not None:
        return ShownTrustedKey(key, "revoked")
    return ShownTrustedKey(key, "expired" if key.expires_at is not None and key.expires_at <= now else "trusted")
