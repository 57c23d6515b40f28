"""The error of a request that is refused by the server itself: its status, its code for programs, its hint."""

from __future__ import annotations

from typing import Final

from starlette.exceptions import HTTPException

ERROR_CODE: Final = "holdwater.error_code"
"""key of the code of the error that a request was answered with, in its ASGI scope"""
TENANT_DENIED: Final = "tenant_access_denied"
CODES_BY_STATUS: Final = {
    400: "invalid_request",
    401: "unauthorized",
    403: "insufficient_permissions",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    413: "too_large",
    414: "too_large",
    415: "unsupported_media_type",
    421: "wrong_host",
    422: "invalid_request",
    429: "rate_limited",
    431: "too_large",
    503: "not_ready",
}


class RequestError(HTTPException):
    """A request that is refused.  `code`: for programs; `hint`: how to fix it."""

    def __init__(
        self, status_code: int, message: str, *, code: str = "", hint: str = "", headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(status_code, message, headers)
        self.code = code or CODES_BY_STATUS.get(status_code, "invalid_request")
        self.hint = hint
