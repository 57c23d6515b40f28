"""Parts of the bodies of requests and responses of every noun."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, Field, GetJsonSchemaHandler, ValidationInfo, field_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from holdwater.model.time import Micros, from_rfc3339, to_rfc3339
from holdwater.server.refusals import RequestError

Instant = Annotated[str, Field(examples=["2026-11-21T05:00:00.000000Z"], json_schema_extra={"format": "date-time"})]
"""RFC 3339, in UTC"""

GivenInstant = Annotated[
    str, Field(max_length=64, examples=["2026-11-21T05:00:00Z"], json_schema_extra={"format": "date-time"})
]
"""RFC 3339 or ISO 8601, as a caller writes it"""


class RequestBody(BaseModel, extra="forbid", strict=True):  # type: ignore[call-arg]
    """Base of bodies of requests: unknown fields are errors, nothing is converted, and texts have no NUL.

    PostgreSQL stores none in a text.  Values of runs may have it: these are stored as JSON.
    """

    @field_validator("*")
    @classmethod
    def check_text(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse a text with NUL in a field that is declared as a text.  Raises ValueError."""
        field = cls.model_fields[info.field_name or ""]
        if field.annotation is not Any and isinstance(value, str) and "\0" in value:
            raise ValueError("a text cannot have the character NUL (\\u0000)")
        return value


def shown_as(**example: Any) -> dict[str, Any]:
    """Describe a body by an example of its own, in the place of one that is made of its fields: `json_schema_extra`."""
    return {"examples": [example]}


class ItemList(BaseModel):
    """Base of lists.  `list_name`: what clients of Cloacina's server know `items` as, "" if they do not know the list.

    The list is sent under both names; `is_legacy_name`: only by a server with `legacy_lists`.
    """

    list_name: ClassVar[str] = ""
    is_legacy_name: ClassVar[bool] = True

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Describe the list under its other name, too."""
        schema = handler(core_schema)
        described = handler.resolve_ref_schema(schema)
        if cls.list_name:
            words = "The same as `items`, under the name that clients of Cloacina's server know."
            again = {**described["properties"]["items"], "description": words}
            described["properties"][cls.list_name] = again
        return schema


class Page(ItemList):
    """Base of pages of lists.  `total`: items of this page; `next_cursor`: of the next one, null on the last."""

    tenant_id: str
    total: int
    next_cursor: str | None = None


def to_instant(at: Micros | None) -> str | None:
    """Write an instant, if there is one."""
    return None if at is None else to_rfc3339(at)


def instant_of_query(name: str, text: str | None) -> Micros | None:
    """Parse an instant of a query, if it is given.  Raises RequestError (400)."""
    if text is None:
        return None
    try:
        return from_rfc3339(text)
    except (ValueError, OverflowError) as error:
        raise RequestError(
            400, f"query.{name}: {text!r} is no instant: {error}", hint="write 2026-11-21T05:00:00Z"
        ) from None
