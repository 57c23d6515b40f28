"""What code says, and what tells two versions of a body apart: for fingerprints."""

from __future__ import annotations

import functools
import hashlib
import json
import linecache
from collections.abc import Callable, Iterable, Sequence
from types import CodeType
from typing import Any

from holdwater.model.policies import NodePolicy, RetryPolicy

Body = tuple[str, Callable[..., Any] | None, NodePolicy]
"""name, what is called (None: nothing of the user's), and how often"""


def digest(data: Any) -> str:
    """16 hex digits of SHA-256 over canonical JSON."""
    text = json.dumps(data, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def rows_of(bodies: Sequence[Body]) -> list[list[Any]]:
    """What tells them apart, as data."""
    texts: dict[CodeType, str] = {}  # bodies made by one factory share their code
    retries: dict[int, list[Any]] = {}  # and many share the one object that is their policy
    rows = []
    for name, function, policy in bodies:
        code = None if function is None else _code(function)
        if code is not None:
            body = texts[code] if code in texts else texts.setdefault(code, text_of(code))
        else:
            body = "" if function is None else f"{type(function).__module__}.{type(function).__qualname__}"
        known = id(policy.retry)
        retry = retries[known] if known in retries else retries.setdefault(known, _retry(policy.retry))
        rows.append([name, body, retry, policy.timeout_s])
    return rows


def text_of(code: CodeType) -> str:
    """The source lines, or without a source the instructions and constants."""
    # From 3.13 on the lines of "<string>" are those of `python -c`, but code of any exec() has that name.
    lines = [] if code.co_filename == "<string>" else linecache.getlines(code.co_filename)
    last = max(_lines(code), default=0)
    if last and last <= len(lines):
        return "\n".join([line.rstrip() for line in lines[code.co_firstlineno - 1 : last]])
    return instructions_of(code)


def instructions_of(code: CodeType) -> str:
    """Names, constants and byte code, of inner functions too."""
    parts = [code.co_code.hex(), repr(code.co_names)]
    for const in code.co_consts:
        if isinstance(const, CodeType):
            parts.append(instructions_of(const))
        elif isinstance(const, frozenset):
            parts.append(repr(sorted(map(repr, const))))  # its order changes from process to process
        else:
            parts.append(repr(const))
    return "\n".join(parts)


def _lines(code: CodeType) -> Iterable[int]:
    stack = [code]
    while stack:
        inner = stack.pop()
        yield from [line for _, _, line in inner.co_lines() if line]
        stack += [const for const in inner.co_consts if isinstance(const, CodeType)]


def _code(function: Callable[..., Any]) -> CodeType | None:
    while isinstance(function, functools.partial):
        function = function.func
    code = getattr(function, "__code__", None)
    if code is None:
        code = getattr(type(function).__dict__.get("__call__"), "__code__", None)
    return code if isinstance(code, CodeType) else None


def _retry(retry: RetryPolicy) -> list[Any]:
    return [
        retry.max_attempts,
        retry.backoff,
        retry.initial_delay,
        retry.max_delay,
        retry.factor,
        retry.multiplier,
        retry.jitter,
        retry.condition,
        sorted([kind.__qualname__ for kind in retry.retry_on]),
        sorted(retry.retryable_errors),
        sorted(retry.patterns),
    ]
