"""Strict JSON: one meaning for every reader, and bounds on everything."""

from __future__ import annotations

import json
from typing import Any, Final, NoReturn

from starlette.requests import Request

from holdwater.server.refusals import RequestError

MAX_DEPTH: Final = 100
MAX_DIGITS: Final = 4_300
"""of a whole number"""
MEBIBYTE: Final = 1024 * 1024
MAX_BODY_BYTES: Final = MEBIBYTE
MAX_VALUES_BODY_BYTES: Final = 16 * MEBIBYTE
"""of a body with values for a run"""
MAX_SHOWN_CHARS: Final = 60


async def read_body(request: Request, max_bytes: int) -> bytes:
    """Read a body.  Raises RequestError if it is longer, encoded, or of another media type than JSON."""
    chunks, total = [], 0
    async for chunk in request.stream():
        chunks.append(chunk)
        total += len(chunk)
        if total > max_bytes:
            raise RequestError(413, f"the body is longer than {max_bytes:,} bytes, the limit of this path")
    if total:
        _check_media_type(request)
    return b"".join(chunks)


def _check_media_type(request: Request) -> None:
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding != "identity":
        raise RequestError(415, f"bodies are not decompressed: content-encoding {encoding[:MAX_SHOWN_CHARS]!r}")
    kind, *parameters = request.headers.get("content-type", "").lower().split(";")
    charsets = [text.strip().removeprefix("charset=").strip('"') for text in parameters if "charset" in text]
    if kind.strip() != "application/json" or any(charset != "utf-8" for charset in charsets):
        raise RequestError(415, "the body must be JSON in UTF-8", hint="send content-type: application/json")


def parse_strict_json(data: bytes) -> Any:
    """Parse a JSON text.  Raises RequestError with the place.

    Refused are other encodings than UTF-8, NaN and infinities, numbers that no float can hold, duplicate keys, whole
    numbers of more than `MAX_DIGITS` digits, and more than `MAX_DEPTH` levels.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _invalid(f"the body is not UTF-8 at byte {error.start}") from None
    try:
        tree = json.loads(
            text,
            parse_constant=_refuse_constant,
            parse_float=_parse_float,
            parse_int=_parse_int,
            object_pairs_hook=_unique_keys,
        )
    except json.JSONDecodeError as error:
        raise _invalid(f"the body is not JSON: {error.msg}, line {error.lineno} column {error.colno}") from None
    except RecursionError:
        raise _too_deep() from None
    _check_depth(tree)
    return tree


def _check_depth(tree: Any) -> None:
    level = [tree]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for one in level
            if type(one) is dict or type(one) is list
            for inner in (one.values() if type(one) is dict else one)
        ]
        if not level:
            return
    if any([type(one) is dict or type(one) is list for one in level]):
        raise _too_deep()


def _refuse_constant(text: str) -> NoReturn:
    raise _invalid(f"{text} is no JSON number")


def _parse_float(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise _invalid(f"the number {text[:MAX_SHOWN_CHARS]} is larger than any float")
    return number


def _parse_int(text: str) -> int:
    if len(text.lstrip("-")) > MAX_DIGITS:
        raise _invalid(f"the number {text[:20]}… has more than {MAX_DIGITS:,} digits")
    return int(text)


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise _invalid(f"the key {twice[:MAX_SHOWN_CHARS]!r} is in one object twice")
    return made


def _too_deep() -> RequestError:
    return _invalid(f"the body has more than {MAX_DEPTH} levels")


def _invalid(message: str) -> RequestError:
    return RequestError(400, message)
