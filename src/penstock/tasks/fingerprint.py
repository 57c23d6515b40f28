"""Fingerprints of code: what a body looked like when a run was recorded.  Shown to people, never a reason to refuse."""

from __future__ import annotations

import functools
import hashlib
import json
import linecache
from collections.abc import Callable, Iterable
from types import CodeType
from typing import Any

from penstock.model.retry import RetryPolicy
from penstock.tasks.definition import Task


def digest(data: Any) -> str:
    """16 hex digits of SHA-256 over canonical JSON."""
    text = json.dumps(data, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def code_of(tasks: Iterable[Task]) -> str:
    """The fingerprint of all bodies, retry policies and time-outs."""
    texts: dict[CodeType, str] = {}  # tasks made by one factory share their code
    rows = []
    for task in tasks:
        code = _code(task.function)
        if code is None:
            body = f"{type(task.function).__module__}.{type(task.function).__qualname__}"
        else:
            body = texts[code] if code in texts else texts.setdefault(code, _text(code))
        rows.append([task.id, body, _retry(task.policy.retry), task.policy.timeout_s])
    return digest(rows)


def _code(function: Callable[..., Any]) -> CodeType | None:
    while isinstance(function, functools.partial):
        function = function.func
    code = getattr(function, "__code__", None)
    if code is None:
        code = getattr(type(function).__dict__.get("__call__"), "__code__", None)
    return code if isinstance(code, CodeType) else None


def _text(code: CodeType) -> str:
    """The source lines, or without a source the instructions and constants."""
    lines = linecache.getlines(code.co_filename)
    last = max(_lines(code), default=0)
    if last and last <= len(lines):
        return "\n".join([line.rstrip() for line in lines[code.co_firstlineno - 1 : last]])
    return _instructions(code)


def _lines(code: CodeType) -> Iterable[int]:
    stack = [code]
    while stack:
        inner = stack.pop()
        yield from [line for _, _, line in inner.co_lines() if line]
        stack += [const for const in inner.co_consts if isinstance(const, CodeType)]


def _instructions(code: CodeType) -> str:
    parts = [code.co_code.hex(), repr(code.co_names)]
    for const in code.co_consts:
        if isinstance(const, CodeType):
            parts.append(_instructions(const))
        elif isinstance(const, frozenset):
            parts.append(repr(sorted(map(repr, const))))  # its order changes from process to process
        else:
            parts.append(repr(const))
    return "\n".join(parts)


def _retry(policy: RetryPolicy) -> list[Any]:
    return [
        policy.max_attempts,
        policy.backoff,
        policy.initial_delay,
        policy.max_delay,
        policy.factor,
        policy.multiplier,
        policy.jitter,
        policy.condition,
        sorted([kind.__qualname__ for kind in policy.retry_on]),
        sorted(policy.retryable_errors),
        sorted(policy.patterns),
    ]
