"""Errors of a server, as the exceptions that the same operation on a database raises."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

import httpx

from holdwater import __version__, errors
from holdwater.client.server.options import ServerOptions
from holdwater.errors import HoldwaterError

ERRORS_BY_CODE: Final[dict[str, Callable[[str], HoldwaterError]]] = {
    "ambiguous_id": lambda message: errors.AmbiguousRun(message, ()),
    "answer_invalid": errors.AnswerError,
    "bulk_not_found": errors.BulkJobNotFound,
    "capacity_exhausted": errors.CapacityExhausted,
    "execution_not_found": errors.RunNotFound,
    "executor_not_found": errors.ExecutorNotFound,
    "idempotency_conflict": errors.IdempotencyConflict,
    "in_progress": errors.RunInProgress,
    "invalid_pagination": errors.InvalidArgument,
    "invalid_request": errors.InvalidArgument,
    "invalid_signature": errors.TrustError,
    "invalid_transition": errors.InvalidTransition,
    "limit_not_found": errors.LimitNotFound,
    "not_asked": errors.PauseNotFound,
    "read_only": errors.StoreReadOnly,
    "release_broken": errors.ReleaseBroken,
    "release_draining": errors.ReleaseDraining,
    "release_not_found": errors.ReleaseNotFound,
    "run_not_finished": errors.RunNotFinished,
    "runner_draining": errors.RunnerClosed,
    "runner_incompatible": errors.IncompatibleRunnerError,
    "schedule_invalid": errors.ScheduleError,
    "schema_too_new": errors.SchemaTooNew,
    "secret_exists": errors.SecretExists,
    "secret_not_found": errors.SecretNotFound,
    "secrets_unavailable": errors.SecretsUnavailable,
    "signature_not_found": lambda message: errors.TrustError(message, code="signature_not_found"),
    "signature_required": lambda message: errors.TrustError(message, code="signature_required"),
    "store_damaged": errors.StoreError,
    "store_unavailable": errors.StoreUnavailable,
    "structure_changed": errors.StructureChanged,
    "task_not_found": errors.TaskNotFound,
    "tenant_creation_failed": errors.TenantError,
    "tenant_in_use": errors.TenantInUse,
    "tenant_invalid": errors.TenantError,
    "tenant_removal_failed": errors.TenantError,
    "tenant_not_found": errors.TenantNotFound,
    "tenant_unavailable": errors.TenantUnavailable,
    "tenant_waking": errors.TenantWaking,
    "too_large": errors.ContextTooLarge,
    "trigger_not_found": errors.ScheduleNotFound,
    "trigger_of_package": errors.ScheduleOfPackage,
    "upload_failed": errors.PackageError,
    "value_invalid": errors.EncodingError,
    "value_unreadable": errors.DecodingError,
    "version_exists": errors.VersionExists,
    "workflow_input_invalid": errors.InputError,
    "workflow_invalid": errors.WorkflowError,
    "workflow_not_found": errors.WorkflowNotFound,
    "workflow_paused": errors.WorkflowPaused,
    "workflow_taken": errors.WorkflowTaken,
}
"""code of an error -> the class it is raised as: of several with one code, the one that callers catch"""

_NO_KEY_HINT: Final = "give one: api_key=..., --api-key file:PATH, or HOLDWATER_API_KEY"
_KEY_HINT: Final = "keys expire and are revoked; give one that is valid: api_key=..., --api-key or HOLDWATER_API_KEY"


def error_of(response: httpx.Response, options: ServerOptions) -> HoldwaterError:
    """Return the error that a response stands for, with the id of its request.  `response`: read whole."""
    body = _error_body(response)
    if body is None:
        return not_a_server_error(response, options)
    code, message, hint = str(body["code"]), str(body["error"]), str(body.get("hint") or "")
    error = _make_error(response.status_code, code, message, options)
    if hint and not error.hint:
        error.hint = hint
        error.args = (f"{error.message}\n  hint: {hint}",)
    error.request_id = str(body.get("request_id") or "")
    return error


def _error_body(response: httpx.Response) -> dict[str, Any] | None:
    try:
        body = response.json()
    except (json.JSONDecodeError, UnicodeDecodeError, httpx.HTTPError):
        return None
    return body if isinstance(body, dict) and "error" in body and "code" in body else None


def _make_error(status: int, code: str, message: str, options: ServerOptions) -> HoldwaterError:
    if status == 401:
        given, hint = ("it was sent no API key", _NO_KEY_HINT)
        if options.api_key is not None:
            given, hint = "it does not accept the API key", _KEY_HINT
        return errors.NotAuthenticated(f"{options.url}: {given}", status=status, code=code, hint=hint)
    made = ERRORS_BY_CODE.get(code)
    if made is not None:
        return made(message)
    if code == "not_found":
        return errors.ServerMismatch(
            f"{options.url} does not have this part of the API that Holdwater {__version__} speaks, /v1",
            status=status,
            code=code,
            hint="it is of another version than this client: upgrade the older one of the two",
        )
    if status == 403:
        return errors.AccessDenied(message, status=status, code=code)
    kind = errors.ServerFailure if status >= 500 else errors.RequestRefused
    return kind(message, status=status, code=code)


def not_a_server_error(response: httpx.Response, options: ServerOptions) -> HoldwaterError:
    """Return the error for an answer that Holdwater does not give."""
    status = response.status_code
    if response.is_redirect:
        place = response.headers.get("location", "")[:200]
        return errors.ServerMismatch(
            f"{options.url} sends requests on to {place!r}", status=status, hint="give the URL that it leads to"
        )
    if status in (502, 503, 504):
        return errors.ServerUnreachable(
            f"{options.url}: the proxy in front of the server answers {status}: the server does not",
            status=status,
            hint="start the server, or look at the upstream of the proxy",
        )
    kind = response.headers.get("content-type", "no type").split(";")[0][:60]
    return errors.ServerMismatch(
        f"what answers at {options.url} is no Holdwater server: {status}, {kind}",
        status=status,
        hint="give the address of `holdwater serve`, without /ui or /v1 behind it",
    )


def unreachable_error(error: httpx.TransportError, options: ServerOptions) -> HoldwaterError:
    """Return the error for a request that got no answer."""
    text = str(error) or type(error).__name__
    if "CERTIFICATE" in text.upper() or "SSL" in text.upper():
        return errors.ServerUnreachable(
            f"{options.url}: the connection is not secure: {text}",
            hint="the certificate must be valid for this name; trust an authority of your own with ca_file or "
            "SSL_CERT_FILE; a server without TLS is reached by http://",
        )
    if isinstance(error, httpx.ConnectTimeout):
        return errors.ServerUnreachable(
            f"{options.url}: no connection within {options.connect_seconds:g} s",
            hint="check host and port, and the firewall between",
        )
    if isinstance(error, httpx.TimeoutException):
        return errors.ServerUnreachable(
            f"{options.url}: no answer within {options.answer_seconds:g} s",
            hint="what was asked for may still be done; look before you ask again",
        )
    if isinstance(error, httpx.ConnectError):
        return errors.ServerUnreachable(
            f"{options.url}: {text}", hint="is `holdwater serve` running there?  Check host, port and http or https"
        )
    return errors.ServerUnreachable(f"{options.url}: the connection broke: {text}", hint="try again")
