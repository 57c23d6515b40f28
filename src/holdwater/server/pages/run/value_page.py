"""The page of one value: as much of it as a page can show, and all of it as a file."""

from __future__ import annotations

from typing import Final, Literal

from fastapi import APIRouter, Request, Response

from holdwater.model.values import StoredValue
from holdwater.runs.view import RunView
from holdwater.server.pages.run.context import values_at
from holdwater.server.refusals import RequestError
from holdwater.server.rendering import render
from holdwater.server.run_paths import RunId
from holdwater.server.tenant_database import Tenant
from holdwater.server.value_tree import show_value

router = APIRouter()

Source = Literal["now", "start", "input", "output", "question"]
SOURCE_WORDS: Final[dict[Source, str]] = {
    "now": "Data of the run",
    "start": "Data at the start",
    "input": "Input of {}",
    "output": "Output of {}",
    "question": "Question of {}",
}


@router.get("/runs/{run_id}/value")
def value_page(
    request: Request,
    tenant: Tenant,
    run_id: RunId,
    of: Source,
    name: str,
    node: str = "",
    download: bool = False,
) -> Response:
    """Show a value.  `download`: as a file with the JSON of the store."""
    view = tenant.folded_runs.view(run_id)
    value = _find_value(view, of, name, node)
    if download:
        return Response(
            value.text,
            media_type="application/json",
            headers={"Content-Disposition": 'attachment; filename="value.json"'},
        )
    return render(
        request,
        "run/value.html",
        tenant,
        section="runs",
        run=view.info,
        name=name,
        node=node,
        source=SOURCE_WORDS[of].format(node),
        value=show_value(name, value, whole=True),
        size=len(value.text.encode()),
    )


def _find_value(view: RunView, of: Source, name: str, node: str) -> StoredValue:
    """Find a value.  Raises RequestError, TaskNotFound."""
    found: StoredValue | None = None
    match of:
        case "now" | "start":
            found = values_at(view, of).get(name)
        case "input":
            found = view.input_values(view.node(node).name).get(name)
        case "output":
            found = view.output_values(view.node(node).name).get(name)
        case _:
            found = next((pause.question for pause in view.pauses if pause.pause_id == name), None)
    if found is None:
        raise RequestError(404, f"run {view.id} has no value {name!r} there", hint="it may have gone since")
    return found
