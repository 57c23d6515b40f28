"""Errors as responses: one table from classes to status and code, and one shape for programs.

`{"error": what happened, "code": for programs, "hint": how to fix it, "request_id": as in the header}`.  Below `/ui`
the same is a page.
"""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from holdwater import errors
from holdwater.errors import HoldwaterError
from holdwater.server.refusals import CODES_BY_STATUS, ERROR_CODE, RequestError
from holdwater.server.rendering import is_page, path_below_root, render, root_of
from holdwater.server.run_paths import decode_run_id, has_form_of_id

REQUEST_ID: Final = "holdwater.request_id"
"""key of the request's id in its ASGI scope"""
INTERNAL: Final = (500, "internal_error")

STATUS_AND_CODE: Final[dict[type[HoldwaterError], tuple[int, str]]] = {
    errors.AccessDenied: INTERNAL,
    errors.AmbiguousRun: (400, "ambiguous_id"),
    errors.AnswerError: (400, "answer_invalid"),
    errors.ArchiveError: (400, "upload_failed"),
    errors.BadAnswer: INTERNAL,
    errors.BulkJobNotFound: (404, "bulk_not_found"),
    errors.CacheUnavailable: INTERNAL,
    errors.CapacityExhausted: (503, "capacity_exhausted"),
    errors.ConfigError: (400, "invalid_request"),
    errors.ConfigurationFailure: INTERNAL,
    errors.ConflictError: INTERNAL,
    errors.ContextTooLarge: (413, "too_large"),
    errors.DaemonError: INTERNAL,
    errors.DatabaseNotFound: (503, "store_unavailable"),
    errors.DatabaseURLError: (503, "store_unavailable"),
    errors.DeadlockError: INTERNAL,
    errors.DecodingError: (500, "value_unreadable"),
    errors.EncodingError: (400, "value_invalid"),
    errors.ExecutorNotFound: (400, "executor_not_found"),
    errors.ExecutorUnavailable: INTERNAL,
    errors.FunctionCancelled: INTERNAL,
    errors.GraphConfigError: INTERNAL,
    errors.GraphFailed: INTERNAL,
    errors.HoldwaterError: INTERNAL,
    errors.IdempotencyConflict: (409, "idempotency_conflict"),
    errors.IllegalEvent: INTERNAL,
    errors.IncompatibleRunnerError: (400, "runner_incompatible"),
    errors.InfiniteLoopError: INTERNAL,
    errors.InputError: (400, "workflow_input_invalid"),
    errors.InternalError: INTERNAL,
    errors.InvalidArgument: (400, "invalid_request"),
    errors.InvalidRunState: (409, "invalid_transition"),
    errors.InvalidTransition: (409, "invalid_transition"),
    errors.IsolationUnavailable: INTERNAL,
    errors.KeyExists: (400, "value_invalid"),
    errors.KeyMissing: (400, "value_invalid"),
    errors.LimitNotFound: (404, "limit_not_found"),
    errors.ManifestError: (400, "upload_failed"),
    errors.MapOverError: INTERNAL,
    errors.MissingInputError: (400, "workflow_input_invalid"),
    errors.MissingOutputError: INTERNAL,
    errors.NodeFailure: INTERNAL,
    errors.NodeReturnError: INTERNAL,
    errors.NotAuthenticated: INTERNAL,
    errors.PackageBuildError: (400, "upload_failed"),
    errors.PackageError: (400, "upload_failed"),
    errors.PackageUnsupported: (400, "upload_failed"),
    errors.PauseNotFound: (409, "not_asked"),
    errors.PipelineNotFound: (404, "workflow_not_found"),
    errors.ReadOnlyContext: INTERNAL,
    errors.ReleaseBroken: (409, "release_broken"),
    errors.ReleaseDraining: (409, "release_draining"),
    errors.ReleaseNotFound: (404, "release_not_found"),
    errors.RenameError: INTERNAL,
    errors.RemoteError: INTERNAL,
    errors.RequestRefused: INTERNAL,
    errors.ResourcesUnavailable: INTERNAL,
    errors.RunInProgress: (409, "in_progress"),
    errors.RunNotFinished: (504, "run_not_finished"),
    errors.RunNotFound: (404, "execution_not_found"),
    errors.RunnerClosed: (503, "runner_draining"),
    errors.ScheduleError: (400, "schedule_invalid"),
    errors.ScheduleNotFound: (404, "trigger_not_found"),
    errors.ScheduleOfPackage: (409, "trigger_of_package"),
    errors.SchemaTooNew: (503, "schema_too_new"),
    errors.SecretExists: (409, "secret_exists"),
    errors.SecretNotAllowed: INTERNAL,
    errors.SecretNotFound: (404, "secret_not_found"),
    errors.SecretsUnavailable: (503, "secrets_unavailable"),
    errors.ServerError: INTERNAL,
    errors.ServerFailure: INTERNAL,
    errors.ServerMismatch: INTERNAL,
    errors.ServerRequired: INTERNAL,
    errors.ServerUnreachable: INTERNAL,
    errors.SignatureError: INTERNAL,
    errors.StepFailed: INTERNAL,
    errors.StepOutsideRun: INTERNAL,
    errors.StepReturnError: INTERNAL,
    errors.StoreError: (500, "store_damaged"),
    errors.StoreReadOnly: (403, "read_only"),
    errors.StoreReplaced: (503, "store_unavailable"),
    errors.StoreUnavailable: (503, "store_unavailable"),
    errors.StoreUnreachable: (503, "store_unavailable"),
    errors.StoreUnusable: (503, "store_unavailable"),
    errors.StructureChanged: (409, "structure_changed"),
    errors.TaskCancelled: INTERNAL,
    errors.TaskEnded: INTERNAL,
    errors.TaskNotFound: (404, "task_not_found"),
    errors.TaskNotPortable: INTERNAL,
    errors.TaskReturnError: INTERNAL,
    errors.TenantError: (400, "tenant_invalid"),
    errors.TenantInUse: (409, "tenant_in_use"),
    errors.TenantNotFound: (404, "tenant_not_found"),
    errors.TenantUnavailable: (503, "tenant_unavailable"),
    errors.TenantWaking: (503, "tenant_waking"),
    errors.TrustError: (403, "invalid_signature"),
    errors.Unstorable: INTERNAL,
    errors.VersionExists: (409, "version_exists"),
    errors.WorkerCrashed: INTERNAL,
    errors.WorkflowError: (400, "workflow_invalid"),
    errors.WorkflowNotFound: (404, "workflow_not_found"),
    errors.WorkflowPaused: (409, "workflow_paused"),
    errors.WorkflowTaken: (409, "workflow_taken"),
}

_MESSAGES: Final = {404: "there is nothing at this path", 405: "this path does not take this method"}
"""for the framework's own words"""
_TITLES: Final = {
    400: "This cannot be done as it was asked",
    401: "Not signed in",
    403: "Not allowed",
    404: "There is no such page",
    409: "Not in this state",
    413: "Too large",
    503: "Not available now",
}
DEFAULT_TITLE: Final = "Something went wrong"


def status_and_code(error: HoldwaterError) -> tuple[int, str]:
    """Look up a class, or the nearest of its bases, in the table."""
    return next(found for cls in type(error).__mro__ if (found := STATUS_AND_CODE.get(cls)) is not None)


def error_response(
    request: Request, status: int, code: str, message: str, *, hint: str = "", headers: Any = None
) -> Response:
    """Create the response of an error: a page below `/ui`, JSON elsewhere."""
    request_id = str(request.scope.get(REQUEST_ID, ""))
    request.scope[ERROR_CODE] = code
    if is_page(request):
        page = render(
            request, "error.html", status_code=status, section="", title=_TITLES.get(status, DEFAULT_TITLE),
            message=message, hint=hint, request_id=request_id, status=status,
        )  # fmt: skip
        page.headers.update(headers or {})
        return page
    body = {"error": message, "code": code, **({"hint": hint} if hint else {}), "request_id": request_id}
    return JSONResponse(body, status, headers)


def internal_error_response(request: Request) -> Response:
    """Create the response of an error that is ours: nothing of it is shown but the id to find it by in the log."""
    return error_response(request, *INTERNAL, "an error inside Holdwater", hint="the log of the server has the details")


async def holdwater_error_response(request: Request, error: Exception) -> Response:
    """Respond to an error of this library."""
    if not isinstance(error, HoldwaterError):
        raise error
    status, code = status_and_code(error)
    if isinstance(error, errors.TrustError):
        code = error.code
    if isinstance(error, errors.RunNotFound) and request.app.state.legacy_lists and not _has_form_of_id(request):
        status = 400  # as clients of Cloacina's server expect it for what is no UUID
    headers = {"retry-after": "1"} if status == 503 else None
    return error_response(request, status, code, error.message, hint=error.hint, headers=headers)


def _has_form_of_id(request: Request) -> bool:
    segment: str | None = request.path_params.get("run_id")
    return segment is None or has_form_of_id(decode_run_id(segment))


async def http_error_response(request: Request, error: Exception) -> Response:
    """Respond to a refused request, by this library or by the framework."""
    if not isinstance(error, HTTPException):
        raise error
    status = 400 if error.status_code == 422 else error.status_code
    code = error.code if isinstance(error, RequestError) else CODES_BY_STATUS.get(status, "invalid_request")
    hint = error.hint if isinstance(error, RequestError) else ""
    is_ours = isinstance(error, RequestError)
    path = path_below_root(request)
    if status == 404 and not is_ours and path.endswith("/"):
        if is_page(request) and request.method in ("GET", "HEAD") and path.strip("/"):
            query = f"?{request.url.query}" if request.url.query else ""
            return RedirectResponse(f"{root_of(request)}{quote(path.rstrip('/'))}{query}", 307)
        hint = "no path of the API ends with `/`: leave it out"
    allowed = allowed_methods(request) if status == 405 else []
    headers = {"allow": ", ".join(allowed)} if allowed else error.headers
    message = str(error.detail) if is_ours else _MESSAGES.get(status, str(error.detail))
    return error_response(request, status, code, message, hint=hint, headers=headers)


def allowed_methods(request: Request) -> list[str]:
    """List the methods that the API has for a path: those of the template that fits it with the fewest parameters."""
    path = path_below_root(request)
    fitting = {
        template.count("{"): [method.upper() for method in methods]
        for template, methods in request.app.openapi()["paths"].items()
        if re.fullmatch(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(template)), path)
    }
    return sorted(fitting[min(fitting)]) if fitting else []


async def validation_error_response(request: Request, error: Exception) -> Response:
    """Respond to parameters or a body of another form: the first problem, with its place."""
    from fastapi.exceptions import RequestValidationError

    if not isinstance(error, RequestValidationError):
        raise error
    problems = error.errors()
    first = problems[0] if problems else {"loc": (), "msg": "the request is not valid"}
    place = ".".join(str(part) for part in first["loc"])
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    code = "invalid_pagination" if set(first["loc"][1:]) & {"limit", "offset", "cursor"} else "invalid_request"
    return error_response(request, 400, code, f"{place}: {first['msg']}{more}")
