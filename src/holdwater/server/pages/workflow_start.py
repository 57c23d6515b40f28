"""The form that starts a run of a workflow, made of the schema of its inputs."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass, field
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from starlette.datastructures import FormData

from holdwater.errors import HoldwaterError, InputError, InvalidArgument, MissingInputError
from holdwater.model.json_schema import Schema
from holdwater.model.provenance import Provenance, check_labels
from holdwater.operations.catalog import WorkflowInfo, get_workflow
from holdwater.operations.paused_workflows import paused_names
from holdwater.operations.starting import start_by_name
from holdwater.server.access import author_of
from holdwater.server.acts import page_url
from holdwater.server.command_lines import command_line
from holdwater.server.form_posts import PostedForm, form_texts
from holdwater.server.forms import Form, build_form, read_form, show_posted
from holdwater.server.notices import Notice, redirect_with
from holdwater.server.rendering import render, root_of
from holdwater.server.run_paths import WorkflowName, encode_run_id
from holdwater.server.tenant_database import Tenant, TenantDatabase

router = APIRouter()

FIELD: Final = "inputs"
MAX_TEXT_CHARACTERS: Final = 4_000
_ANY_OBJECT: Final[Schema] = {"type": "object"}


@dataclass(slots=True)
class StartOptions:
    """Options of a new run beside its inputs, as texts; `labels`: one `KEY=VALUE` a line."""

    key: str = ""
    labels: str = ""
    errors: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, posted: FormData) -> StartOptions:
        """Take them from a posted form."""
        return cls(_text(posted, "key").strip(), _text(posted, "labels"))

    def parsed_labels(self) -> dict[str, str]:
        """Parse the labels; what does not fit is in `errors`."""
        lines = [line.strip() for line in self.labels.splitlines() if line.strip()]
        found = {key.strip(): value.strip() for key, _, value in (line.partition("=") for line in lines)}
        if any("=" not in line for line in lines):
            self.errors["labels"] = "write KEY=VALUE, one a line"
            return {}
        try:
            return check_labels(found)
        except InvalidArgument as error:
            self.errors["labels"] = f"{error.message}. {error.hint}" if error.hint else error.message
            return {}


def _text(posted: FormData, name: str) -> str:
    value = posted.get(name)
    return value[:MAX_TEXT_CHARACTERS] if isinstance(value, str) else ""


def _schema_of(info: WorkflowInfo) -> Schema:
    """Return the schema of the inputs: any object, where none was announced; an empty one, where it may be."""
    schema = info.inputs_schema or _ANY_OBJECT
    if schema.get("type") == "object" and not schema.get("properties") and not schema.get("required"):
        return {"default": {}, **schema}
    return schema


@router.get("/workflows/{name}/start")
def start_page(request: Request, tenant: Tenant, name: WorkflowName) -> HTMLResponse:
    """Show the form with the defaults."""
    info = get_workflow(tenant.database, name)
    form = build_form(_schema_of(info), name=FIELD, label="Inputs")
    return _show(request, tenant, info, form, StartOptions())


@router.post("/workflows/{name}/start")
def start_run(request: Request, tenant: Tenant, name: WorkflowName, posted: PostedForm) -> Response:
    """Start a run, and show it; what does not fit is shown beside the field."""
    info = get_workflow(tenant.database, name)
    schema, texts, options = _schema_of(info), form_texts(posted), StartOptions.of(posted)
    result = read_form(schema, texts, name=FIELD)
    errors, labels = dict(result.errors), options.parsed_labels()
    if not errors and not options.errors:
        provenance = Provenance("api", author_of(request), labels or None)
        try:
            started = start_by_name(
                tenant.engine, info.name, result.value, idempotency_key=options.key or None, provenance=provenance
            )
        except (InputError, MissingInputError) as error:
            errors[""] = error.message
        except HoldwaterError as error:
            options.errors[""] = f"{error.message}. {error.hint}" if error.hint else error.message
        else:
            text = "The run is started." if started.is_new else "A run with this idempotency key is there already."
            return redirect_with(
                request, page_url(request, tenant, f"/runs/{encode_run_id(started.info.id)}"), Notice(text)
            )
    form = show_posted(schema, texts, errors, name=FIELD, label="Inputs")
    return _show(request, tenant, info, form, options, 422)


def _show(
    request: Request,
    tenant: TenantDatabase,
    info: WorkflowInfo,
    form: Form,
    options: StartOptions,
    status_code: int = 200,
) -> HTMLResponse:
    example = _example(info.inputs_schema)
    return render(
        request,
        "workflows/start.html",
        tenant,
        status_code=status_code,
        section="workflows",
        workflow=info,
        form=form,
        options=options,
        is_paused=info.name in paused_names(tenant.database.store),
        submit_command=command_line(tenant, "submit", info.name, "--inputs", json.dumps(example, ensure_ascii=False)),
        curl_command=_curl_command(request, tenant, info, example),
    )


def _example(schema: Schema) -> dict[str, Any]:
    """Return the defaults of a schema, and null for what is required without one."""
    required = frozenset(schema.get("required", ()))
    properties = schema.get("properties", {}).items()
    return {
        name: one.get("default")
        for name, one in properties
        if isinstance(one, dict) and ("default" in one or name in required)
    }


def _curl_command(request: Request, tenant: TenantDatabase, info: WorkflowInfo, example: dict[str, Any]) -> str:
    origin = f"{request.url.scheme}://{request.url.netloc}{root_of(request)}"
    url = f"{origin}/v1/tenants/{tenant.tenant}/workflows/{encode_run_id(info.name)}/execute"
    body = json.dumps({"context": example}, ensure_ascii=False)
    return (
        f"curl -X POST {shlex.quote(url)} -H \"Authorization: Bearer $TOKEN\" -H 'Content-Type: application/json'"
        f" -d {shlex.quote(body)}"
    )
