"""The code of a single function or class, without anything it refers to."""

from __future__ import annotations

import functools
import linecache
from collections.abc import Callable, Iterable
from types import CodeType, FunctionType, ModuleType
from typing import Any

from holdwater.fingerprint.bytecode import analyze_code
from holdwater.fingerprint.packages import module_name
from holdwater.fingerprint.values import CodeReference


def own_code(target: CodeReference) -> str:
    """Return the own code of a function; of a class its name and `__call__`; of a module its name."""
    if isinstance(target, FunctionType):
        return code_text(target.__code__)
    if isinstance(target, ModuleType):
        return target.__name__
    called = target.__dict__.get("__call__")
    name = f"{module_name(target)}.{target.__qualname__}"
    return f"{name}\n{code_text(called.__code__)}" if isinstance(called, FunctionType) else name


def code_of(function: Callable[..., Any]) -> CodeType | None:
    """Return the code object behind partials, bound methods and objects with `__call__`; None if there is none."""
    while isinstance(function, functools.partial):
        function = function.func
    code = getattr(function, "__code__", None)
    if code is None:
        code = getattr(type(function).__dict__.get("__call__"), "__code__", None)
    return code if isinstance(code, CodeType) else None


def code_text(code: CodeType) -> str:
    """Return the source lines; for code without a source a digest of its instructions, for lambdas both."""
    text = _source_text(code)
    if text and code.co_name != "<lambda>":
        return text
    return text + analyze_code(code).digest.hex()


def _source_text(code: CodeType) -> str:
    # From 3.13 on the lines of "<string>" are those of `python -c`, but code of any exec() has that name.
    lines = [] if code.co_filename == "<string>" else linecache.getlines(code.co_filename)
    last = max(_line_numbers(code), default=0)
    if not last or last > len(lines):
        return ""
    return "\n".join([line.rstrip() for line in lines[code.co_firstlineno - 1 : last]])


def _line_numbers(code: CodeType) -> Iterable[int]:
    stack = [code]
    while stack:
        inner = stack.pop()
        yield from [line for _, _, line in inner.co_lines() if line]
        stack += [const for const in inner.co_consts if isinstance(const, CodeType)]
