"""Pages of keys, as a tenant and the whole server share them: lists, one, the form, the text that is shown once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

from fastapi import Request, Response
from fastapi.responses import HTMLResponse

from holdwater.drawing.marks import MarkName
from holdwater.errors import HoldwaterError
from holdwater.model.time import Micros, add_seconds
from holdwater.server import key_administration as administration
from holdwater.server.access import ROLES, caller_of
from holdwater.server.command_lines import curl_line, server_command_line
from holdwater.server.control.keys import ApiKey
from holdwater.server.control.tables import control_of
from holdwater.server.form_posts import PostedForm
from holdwater.server.key_administration import MAX_NAME_CHARS, CreatedKey
from holdwater.server.notices import Notice, redirect_with
from holdwater.server.refusals import RequestError
from holdwater.server.rendering import render, root_of
from holdwater.server.tenant_database import DEFAULT_TENANT, TenantDatabase, tenants_of

Refusal = RequestError | HoldwaterError
KeyState = Literal["active", "ends soon", "expired", "revoked"]
MAX_CHOICES: Final = 1_000
SOON_SECONDS: Final = 7 * 86_400.0
DAY: Final = 86_400
EXPIRIES: Final = {
    "": "Never",
    str(DAY): "In a day",
    **{str(days * DAY): f"In {days} days" for days in (7, 30, 90, 365)},
}
"""seconds -> words"""
OVERLAPS: Final = {
    "0": "No time: it ends at once",
    "3600": "An hour",
    str(DAY): "A day",
    **{str(days * DAY): f"{days} days" for days in (3, 7)},
}
"""seconds -> words"""
_MARKS: Final[dict[KeyState, MarkName]] = {
    "active": "completed", "ends soon": "waiting", "expired": "pending", "revoked": "cancelled",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ShownKey:
    """A key with what a page says of it.  `is_own`: the session of the caller began with it."""

    key: ApiKey
    state: KeyState
    is_own: bool

    @property
    def mark(self) -> MarkName:
        return _MARKS[self.state]

    @property
    def word(self) -> str:
        return self.state.capitalize()

    @property
    def is_live(self) -> bool:
        return self.state in ("active", "ends soon")

    @property
    def role_word(self) -> str:
        return role_word(self.key)


def role_word(key: ApiKey) -> str:
    """Return the role of a key in a word."""
    return "server admin" if key.is_god else key.role


@dataclass(slots=True)
class KeyForm:
    """The form of a new key, as it was filled in.  `expires`: seconds from now, "" for never."""

    name: str = ""
    role: str = "read"
    expires: str = str(90 * DAY)
    scope: str = "tenant"
    tenant: str = ""


class KeyPages:
    """The pages of the keys of a tenant; `tenant` None: of all keys."""

    def __init__(self, request: Request, tenant: TenantDatabase | None) -> None:
        self._request, self._tenant = request, tenant
        self._name = None if tenant is None else tenant.tenant
        self._now: Micros = control_of(request).database.clock.now()
        place = "admin" if self._name is None else self._name
        self._url = f"{root_of(request)}/ui/{place}/keys"

    def show_list(self) -> HTMLResponse:
        """Show the keys that are accepted; with `all` in the query, the others, too."""
        found = [self._show(key) for key in reversed(administration.list_keys(self._request, self._name))]
        is_all = "all" in self._request.query_params
        shown = found if is_all else [one for one in found if one.is_live]
        return self._render("list", keys=shown, total=len(found), is_all=is_all, commands=self._commands())

    def show_form(self, form: KeyForm | None = None, error: Refusal | None = None) -> HTMLResponse:
        """Show the form of a new key.  `error`: why the last one was not made."""
        form = form or KeyForm(tenant=self._request.query_params.get("tenant", ""))
        names = () if self._name else tuple(tenants_of(self._request).names())[:MAX_CHOICES]
        return self._render(
            "form", 200 if error is None else 400, form=form, expiries=EXPIRIES, max_name=MAX_NAME_CHARS,
            error=_message(error), hint="" if error is None else error.hint, tenant_names=names,
        )  # fmt: skip

    def create(self, posted: PostedForm) -> HTMLResponse:
        """Make a key, and show its text, this once."""
        form = KeyForm(*[str(posted.get(name, ""))[:200].strip() for name in KeyForm.__slots__])
        tenant, is_god = self._name or form.tenant or DEFAULT_TENANT, not self._name and form.scope == "god"
        expires_at = add_seconds(self._now, float(form.expires)) if form.expires in EXPIRIES and form.expires else None
        try:
            if form.role not in ROLES or form.expires not in EXPIRIES:
                raise RequestError(400, "there is no such role, or no such end")
            made = administration.create_key(
                self._request, None if is_god else tenant, form.name, form.role, is_god=is_god,
                expires_at=expires_at,
            )  # fmt: skip
        except (RequestError, HoldwaterError) as error:
            return self.show_form(form, error)
        return self._show_new(made, None)

    def show(self, key_id: str) -> HTMLResponse:
        """Show a key."""
        key = administration.get_key(self._request, self._name, key_id)
        return self._render("show", one=self._show(key), overlaps=OVERLAPS, commands=self._commands(key))

    def rotate(self, key_id: str, posted: PostedForm) -> HTMLResponse:
        """Make a key in the place of another one, and show its text, this once."""
        overlap = str(posted.get("overlap", ""))
        if overlap not in OVERLAPS:
            raise RequestError(400, "the old key is accepted for one of the times of the form, or not at all")
        made = administration.rotate_key(self._request, self._name, key_id, overlap_seconds=float(overlap))
        return self._show_new(made, administration.get_key(self._request, self._name, key_id))

    def revoke(self, key_id: str) -> Response:
        """Accept a key no more, and go back to the list."""
        try:
            key = administration.revoke_key(self._request, self._name, key_id)
        except (RequestError, HoldwaterError) as error:
            notice = Notice(_message(error), "bad", error.hint)
            return redirect_with(self._request, f"{self._url}/{key_id}", notice)
        return redirect_with(self._request, self._url, Notice(f"The key {key.name} ({key.id}) is revoked."))

    def _show_new(self, made: CreatedKey, replaced: ApiKey | None) -> HTMLResponse:
        tenant = made.key.home_tenant or DEFAULT_TENANT
        return self._render(
            "created", 201, key=made.key, text=made.secret, role_word=role_word(made.key), replaced=replaced,
            commands={
                "list": server_command_line(self._request, "runs", "list", "--tenant", tenant),
                "curl": curl_line(self._request, "/v1/auth/whoami"),
            },
        )  # fmt: skip

    def _show(self, key: ApiKey) -> ShownKey:
        state: KeyState = "active"
        if key.revoked_at is not None:
            state = "revoked"
        elif key.expires_at is not None:
            state = "active"
            if key.expires_at <= self._now:
                state = "expired"
            elif key.expires_at <= add_seconds(self._now, SOON_SECONDS):
                state = "ends soon"
        return ShownKey(key, state, key.id == caller_of(self._request).key_id)

    def _commands(self, key: ApiKey | None = None) -> dict[str, str]:
        where = ("--tenant", self._name) if self._name else ()
        path = f"/v1/tenants/{self._name}/keys" if self._name else "/v1/auth/keys"
        body = '{"name": "ci", "role": "write"}'
        commands = {
            "create": server_command_line(self._request, "keys", "create", "ci", "--role", "write", *where),
            "curl": curl_line(self._request, path, body),
        }
        if key is not None:
            for verb in ("rotate", "revoke"):
                commands[verb] = server_command_line(self._request, "keys", verb, key.id, *where)
        return commands

    def _render(self, page: str, status_code: int = 200, **values: Any) -> HTMLResponse:
        section = "keys" if self._tenant else "admin/keys"
        return render(
            self._request, f"keys/{page}.html", self._tenant, status_code=status_code, section=section, url=self._url,
            **values,
        )  # fmt: skip


def _message(error: Refusal | None) -> str:
    if error is None:
        return ""
    return error.message if isinstance(error, HoldwaterError) else str(error.detail)
