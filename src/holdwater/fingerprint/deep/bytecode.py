"""What a code object does and which names it reads, from its instructions.

Comments, line numbers, layout and docstrings leave no trace in the instructions and so none in the digest.
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

from holdwater.fingerprint.deep.values import summarise

_SILENT: Final = frozenset({"EXTENDED_ARG", "CACHE", "NOP", "RESUME"})
_BETWEEN: Final = _SILENT | {"PUSH_NULL", "PRECALL"}
"""what may stand between the parts of a dotted name"""
_GLOBAL: Final = frozenset({"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"})
_FREE: Final = frozenset({"LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_DEREF"})
_ATTRIBUTE: Final = frozenset({"LOAD_ATTR", "LOAD_METHOD"})
_FLAGS: Final = 0x3FF
"""the flags that say how it is called: of a generator, with *args...; the others say how it was written"""


@dataclass(frozen=True, slots=True, order=True)
class Import:
    """An import statement in the body."""

    module: str
    level: int
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a code object and those inside it.

    A dotted name is `("helpers", "clean")`; it ends where it is no attribute read at once any more.
    """

    digest: bytes
    global_names: tuple[tuple[str, ...], ...]
    free_names: tuple[tuple[str, ...], ...]
    imports: tuple[Import, ...]
    names: frozenset[str]
    """every name in it, attributes included"""


_known: Final[dict[int, tuple[ref[CodeType], Facts]]] = {}


def facts_of(code: CodeType) -> Facts:
    """Computed once for a code object."""
    entry = _known.get(id(code))
    if entry is not None and entry[0]() is code:
        return entry[1]
    facts = _read(code)
    key = id(code)
    _known[key] = (ref(code, partial(_known.pop, key)), facts)
    return facts


def _read(root: CodeType) -> Facts:
    codes = [root]
    digest = sha256()
    global_names: set[tuple[str, ...]] = set()
    free_names: set[tuple[str, ...]] = set()
    imports: set[Import] = set()
    for code in codes:  # grows while it is walked through
        instructions = list(dis.get_instructions(code))
        digest.update(_digest(code, instructions, codes))
        for group, names in _dotted_names(instructions):
            (global_names if group in _GLOBAL else free_names).add(names)
        imports.update(_imports(instructions))
    return Facts(
        digest.digest(),
        tuple(sorted(global_names)),
        tuple(sorted([names for names in free_names if names[0] in root.co_freevars])),
        tuple(sorted(imports)),
        frozenset([name for code in codes for name in code.co_names]),
    )


def _digest(code: CodeType, instructions: list[dis.Instruction], codes: list[CodeType]) -> bytes:
    spoken = [one for one in instructions if one.opname not in _SILENT]
    offsets = [one.offset for one in spoken]

    def place(offset: int) -> int:
        return bisect_left(offsets, offset)

    stream: list[Any] = []
    for one in spoken:
        argument = one.argval
        if isinstance(argument, CodeType):
            argument = ("code", len(codes))
            codes.append(one.argval)
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
    head = (code.co_name, code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags & _FLAGS)
    return summarise([head, parameters, code.co_freevars, stream, handlers], "").digest


def _dotted_names(instructions: list[dis.Instruction]) -> Iterator[tuple[str, tuple[str, ...]]]:
    group, names = "", [""]
    for one in instructions:
        if group and one.opname in _ATTRIBUTE:
            names.append(one.argval)
        elif one.opname not in _BETWEEN:
            if group:
                yield group, tuple(names)
            group = one.opname if one.opname in _GLOBAL or one.opname in _FREE else ""
            names = [one.argval]


def _imports(instructions: list[dis.Instruction]) -> Iterator[Import]:
    spoken = [one for one in instructions if one.opname not in _BETWEEN]
    for k, one in enumerate(spoken):
        if one.opname == "IMPORT_NAME":
            yield Import(one.argval, spoken[k - 2].argval, tuple(spoken[k - 1].argval or ()))
