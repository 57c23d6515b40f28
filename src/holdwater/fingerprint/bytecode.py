"""Instructions of a code object: their digest, and the names it reads.

Comments, line numbers, layout and docstrings are not part of the instructions, and so not of the digest.
"""

from __future__ import annotations

import dis
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from inspect import CO_VARARGS, CO_VARKEYWORDS
from types import CodeType
from typing import Any, Final
from weakref import ref

from holdwater.fingerprint.values import digest_value

_IGNORED_OPCODES: Final = frozenset({"EXTENDED_ARG", "CACHE", "NOP", "RESUME"})
_NAME_SEPARATOR_OPCODES: Final = _IGNORED_OPCODES | {"PUSH_NULL", "PRECALL"}
"""instructions that may occur between the parts of a dotted name"""
_GLOBAL_LOAD_OPCODES: Final = frozenset({"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"})
_CLOSURE_LOAD_OPCODES: Final = frozenset({"LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_DEREF"})
_ATTRIBUTE_LOAD_OPCODES: Final = frozenset({"LOAD_ATTR", "LOAD_METHOD"})
_CALL_FLAGS_MASK: Final = 0x3FF
"""flags of the calling convention (generator, *args...); the others depend on how the code was written"""


@dataclass(frozen=True, slots=True, order=True)
class ImportStatement:
    """An import statement inside a function."""

    module: str
    level: int
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CodeAnalysis:
    """Digest and names of a code object and the code objects inside it.

    A dotted name such as `("helpers", "clean")` is a name and the attributes read from it directly.
    """

    digest: bytes
    global_names: tuple[tuple[str, ...], ...]
    free_names: tuple[tuple[str, ...], ...]
    imports: tuple[ImportStatement, ...]
    all_names: frozenset[str]
    """all names in it, attributes included"""


_analyses: Final[dict[int, tuple[ref[CodeType], CodeAnalysis]]] = {}


def analyze_code(code: CodeType) -> CodeAnalysis:
    """Analyze a code object; cached as long as it lives."""
    entry = _analyses.get(id(code))
    if entry is not None and entry[0]() is code:
        return entry[1]
    facts = _analyze(code)
    key = id(code)
    _analyses[key] = (ref(code, partial(_analyses.pop, key)), facts)
    return facts


def _analyze(root: CodeType) -> CodeAnalysis:
    codes = [root]
    digest = sha256()
    global_names: set[tuple[str, ...]] = set()
    free_names: set[tuple[str, ...]] = set()
    imports: set[ImportStatement] = set()
    for code in codes:  # the list grows during the iteration
        instructions = list(dis.get_instructions(code))
        digest.update(_digest_instructions(code, instructions, codes))
        for group, names in _dotted_names(instructions):
            (global_names if group in _GLOBAL_LOAD_OPCODES else free_names).add(names)
        imports.update(_import_statements(instructions))
    return CodeAnalysis(
        digest.digest(),
        tuple(sorted(global_names)),
        tuple(sorted([names for names in free_names if names[0] in root.co_freevars])),
        tuple(sorted(imports)),
        frozenset([name for code in codes for name in code.co_names]),
    )


def _digest_instructions(code: CodeType, instructions: list[dis.Instruction], nested_codes: list[CodeType]) -> bytes:
    spoken = [one for one in instructions if one.opname not in _IGNORED_OPCODES]
    offsets = [one.offset for one in spoken]

    def place(offset: int) -> int:
        return bisect_left(offsets, offset)

    stream: list[Any] = []
    for one in spoken:
        argument = one.argval
        if isinstance(argument, CodeType):
            argument = ("code", len(nested_codes))
            nested_codes.append(one.argval)
        elif one.opcode in dis.hasjrel or one.opcode in dis.hasjabs:
            argument = ("to", place(argument))
        elif one.opcode not in dis.hasconst and not isinstance(argument, (str, int, type(None))):
            argument = one.argrepr
        stream.append((one.opname, argument))
    handlers = [
        (place(entry.start), place(entry.end), place(entry.target), entry.depth, entry.lasti)
        for entry in dis.Bytecode(code).exception_entries  # type: ignore[attr-defined]
    ]
    count = code.co_argcount + code.co_kwonlyargcount
    parameters = code.co_varnames[: count + bool(code.co_flags & CO_VARARGS) + bool(code.co_flags & CO_VARKEYWORDS)]
    head = (
        code.co_name,
        code.co_argcount,
        code.co_posonlyargcount,
        code.co_kwonlyargcount,
        code.co_flags & _CALL_FLAGS_MASK,
    )
    return digest_value([head, parameters, code.co_freevars, stream, handlers], "").digest


def _dotted_names(instructions: list[dis.Instruction]) -> Iterator[tuple[str, tuple[str, ...]]]:
    group, names = "", [""]
    for one in instructions:
        if group and one.opname in _ATTRIBUTE_LOAD_OPCODES:
            names.append(one.argval)
        elif one.opname not in _NAME_SEPARATOR_OPCODES:
            if group:
                yield group, tuple(names)
            group = one.opname if one.opname in _GLOBAL_LOAD_OPCODES or one.opname in _CLOSURE_LOAD_OPCODES else ""
            names = [one.argval]


def _import_statements(instructions: list[dis.Instruction]) -> Iterator[ImportStatement]:
    spoken = [one for one in instructions if one.opname not in _NAME_SEPARATOR_OPCODES]
    for k, one in enumerate(spoken):
        if one.opname == "IMPORT_NAME":
            yield ImportStatement(one.argval, spoken[k - 2].argval, tuple(spoken[k - 1].argval or ()))
