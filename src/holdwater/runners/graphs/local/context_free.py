"""Functions that cannot set context variables, by their bytecode: they need no context of their own."""

from __future__ import annotations

from collections.abc import Callable
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR
from opcode import opmap
from types import FunctionType
from typing import Any, Final

_HARMLESS: Final = """
    RESUME NOP CACHE EXTENDED_ARG COPY SWAP POP_TOP
    LOAD_FAST LOAD_FAST_LOAD_FAST LOAD_FAST_CHECK LOAD_FAST_BORROW LOAD_FAST_BORROW_LOAD_FAST_BORROW
    STORE_FAST STORE_FAST_STORE_FAST STORE_FAST_LOAD_FAST DELETE_FAST
    LOAD_CONST LOAD_SMALL_INT LOAD_GLOBAL LOAD_DEREF COPY_FREE_VARS RETURN_VALUE RETURN_CONST
    UNARY_POSITIVE UNARY_NEGATIVE UNARY_NOT UNARY_INVERT TO_BOOL BINARY_OP BINARY_SUBSCR BINARY_SLICE BUILD_SLICE
    COMPARE_OP CONTAINS_OP IS_OP
    BUILD_TUPLE BUILD_LIST BUILD_SET BUILD_MAP BUILD_CONST_KEY_MAP BUILD_STRING LIST_EXTEND LIST_TO_TUPLE
    FORMAT_VALUE FORMAT_SIMPLE FORMAT_WITH_SPEC CONVERT_VALUE UNPACK_SEQUENCE
    JUMP_FORWARD JUMP_BACKWARD POP_JUMP_IF_TRUE POP_JUMP_IF_FALSE POP_JUMP_IF_NONE POP_JUMP_IF_NOT_NONE
    POP_JUMP_FORWARD_IF_TRUE POP_JUMP_FORWARD_IF_FALSE POP_JUMP_FORWARD_IF_NONE POP_JUMP_FORWARD_IF_NOT_NONE
    POP_JUMP_BACKWARD_IF_TRUE POP_JUMP_BACKWARD_IF_FALSE JUMP_IF_TRUE_OR_POP JUMP_IF_FALSE_OR_POP NOT_TAKEN
    """.split()  # noqa: SIM905 - a line each would be a page
"""instructions that call nothing but operators, of Python 3.11 to 3.14"""
_HARMLESS_CODES: Final = frozenset([opmap[name] for name in _HARMLESS if name in opmap])
_GENERATORS: Final = CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR


def is_context_free(function: Callable[..., Any]) -> bool:
    """Return True if a function only computes with its arguments and variables: no calls, attributes or imports.

    An operator of a class that sets a context variable is overlooked.  False if in doubt.
    """
    if type(function) is not FunctionType:
        return False
    code = function.__code__
    return not code.co_flags & _GENERATORS and _HARMLESS_CODES.issuperset(code.co_code[::2])
