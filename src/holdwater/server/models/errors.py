"""Bodies of errors."""

from __future__ import annotations

from pydantic import BaseModel, Field


class ErrorBody(BaseModel):
    """An error: `error` is for people, `code` for programs; `request_id` finds it in the log of the server."""

    error: str = Field(examples=["there is no run '019f'"])
    code: str = Field(examples=["execution_not_found"])
    hint: str | None = Field(None, examples=["`holdwater runs list` shows the runs of a database"])
    request_id: str = Field(examples=["7c9e6679f9b94d2c8f0e1a2b3c4d5e6f"])
