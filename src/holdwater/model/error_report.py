"""Descriptions of exceptions: kind, text, causes and traceback, whatever the exception's own code does.

An exception is an object of a user: `__getattr__`, `__getattribute__`, `__class__`, `__str__` and `__notes__` of it may
raise, recurse, lie or answer with anything.  Types are therefore judged by `type(error)`, what BaseException itself
holds is read past the instance, and everything else is guarded.  Texts are bounded and hold nothing a database refuses:
NUL and lone surrogates are shown as escapes.
"""

from __future__ import annotations

import itertools
import linecache
import os
import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, TypeGuard, TypeVar

from holdwater.errors import HoldwaterError, NodeFailure, WorkerCrashed

E = TypeVar("E")

TEXT_LIMIT_CHARS: Final = 100_000
KIND_LIMIT_CHARS: Final = 500
TRACEBACK_LIMIT_CHARS: Final = 20_000
"""of the whole traceback; what is longer loses its middle"""
MESSAGE_LIMIT_CHARS: Final = 2_000
"""of one message or note inside a traceback"""
OUTER_FRAMES_LIMIT: Final = 10
INNER_FRAMES_LIMIT: Final = 40
"""frames shown of one exception: so many from where it was caught, so many up to where it was raised"""
REPEATED_FRAMES_LIMIT: Final = 3
"""equal frames in a row that are shown one by one"""
EXCEPTIONS_LIMIT: Final = 50
"""exceptions shown in one traceback: causes, contexts and members of groups"""
MEMBERS_LIMIT: Final = 10
"""members shown of one group"""
NOTES_LIMIT: Final = 20
LEAVES_LIMIT: Final = 1_000
LEAVES_IN_TEXT_LIMIT: Final = 5

_CAUSE: Final = "The above exception was the direct cause of the following exception:"
_CONTEXT: Final = "During handling of the above exception, another exception occurred:"
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")
_WITHOUT_FILE: Final = re.compile(r'^( *)File "<dynamic-code>", line (\d+), in (.*)$', re.MULTILINE)
_PACKAGE: Final = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_DEMO: Final = os.path.join(_PACKAGE, "demo") + os.sep
_GENERATED: Final = "<map over graph "
"""begins the file name of code that is compiled for the items of a map"""


class ErrorText(str):
    """`Type: message` of a failed attempt, a string, with its `kind` and its `traceback` ("" if there is none)."""

    __slots__ = ("kind", "traceback")

    kind: str
    traceback: str

    def __new__(cls, text: str, kind: str = "", traceback: str = "") -> ErrorText:
        made = super().__new__(cls, text)
        made.kind, made.traceback = kind, traceback
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return ErrorText, (str.__str__(self), self.kind, self.traceback)


@dataclass(frozen=True, slots=True)
class ErrorReport:
    """An exception as it is recorded: `kind` is what `retryable_errors` compares, `text` is `Type: message`."""

    kind: str
    text: str
    traceback: str = ""

    @classmethod
    def of(cls, error: BaseException) -> ErrorReport:
        """Raises nothing, whatever the exception is."""
        return cls(kind_of(error), describe(error), format_traceback(error))


def is_a(error: object, kind: type[E] | tuple[type[E], ...]) -> TypeGuard[E]:
    """`isinstance`, by the true type alone, as an `except` clause judges."""
    return issubclass(type(error), kind)


def attribute(error: BaseException | None, name: str, default: Any = None) -> Any:
    """An attribute; `default` if there is none or the exception's own code raises."""
    try:
        return getattr(error, name, default)
    except BaseException:  # noqa: BLE001 - a broken __getattr__ must not hide the error
        return default


def type_name(error: BaseException) -> str:
    """The name of its class."""
    name: str = type.__dict__["__name__"].__get__(type(error))
    return name[:KIND_LIMIT_CHARS]


def kind_of(error: BaseException) -> str:
    """The name `retryable_errors` compares: the class, "TIMEOUT" for time-outs, "CRASHED" for lost workers."""
    if is_a(error, NodeFailure):
        return storable(error.holdwater_kind, KIND_LIMIT_CHARS)
    if is_a(error, WorkerCrashed):
        return "CRASHED"
    return "TIMEOUT" if is_a(error, TimeoutError) else type_name(error)


def message_of(error: BaseException) -> str:
    """`str(error)`, bounded and storable, also where `__str__` raises."""
    try:
        text = str.__str__(str(error))
    except BaseException as broken:  # noqa: BLE001 - a broken __str__ must not hide the error
        text = f"<its text cannot be shown: {type_name(broken)}>"
    return storable(text, TEXT_LIMIT_CHARS)


def describe(error: BaseException) -> str:
    """`Type: message`; of a group with its first causes."""
    if is_a(error, NodeFailure):
        return storable(error.holdwater_text, TEXT_LIMIT_CHARS)
    message = message_of(error)
    text = f"{type_name(error)}: {message}" if message else type_name(error)
    if is_a(error, BaseExceptionGroup):
        found = leaves(error)
        shown = [describe(leaf) for leaf in found[:LEAVES_IN_TEXT_LIMIT]]
        more = f"; and {len(found) - len(shown)} more" if len(found) > len(shown) else ""
        text = f"{text}: {'; '.join(shown)}{more}"
    return text[:TEXT_LIMIT_CHARS]


def leaves(error: BaseException | None) -> list[BaseException]:
    """The exceptions in a group and the groups in it, in order; the exception itself if it is no group."""
    found: list[BaseException] = []
    todo = [] if error is None else [error]
    while todo and len(found) < LEAVES_LIMIT:
        one = todo.pop()
        if is_a(one, BaseExceptionGroup):
            todo += reversed(_members(one))
        else:
            found.append(one)
    return found


def notes_of(error: BaseException) -> list[str]:
    """What was added by `add_note`, as far as it can be read."""
    try:
        notes = object.__getattribute__(error, "__notes__")
        if not isinstance(notes, (list, tuple)):
            return []
        return [_note(note) for note in list(notes)[:NOTES_LIMIT]]
    except BaseException:  # noqa: BLE001 - an exception may have no notes, and a broken `__notes__`
        return []


def format_traceback(error: BaseException, *, internal: bool = False) -> str:
    """The traceback with causes, contexts, members of groups and notes, as Python prints it but without our own frames.

    `internal_error`: the error is one of the engine, and its frames are what counts..  Of a failure that a body told in
    other words, the traceback is that of its cause..  "" if it would say no more than the text does.
    """
    if is_a(error, NodeFailure):
        cause = raw_attribute(error, "__cause__")
        return "" if cause is None else format_traceback(cause, internal=internal)
    lines = list(_chain(error, set(), internal))
    if len(lines) <= 1:
        return ""
    text = storable("\n".join(lines))
    if len(text) <= TRACEBACK_LIMIT_CHARS:
        return text
    head = TRACEBACK_LIMIT_CHARS // 4
    tail = TRACEBACK_LIMIT_CHARS - head
    return f"{text[:head]}\n... {len(text) - head - tail} characters left out ...\n{text[-tail:]}"


def with_sources(traceback: str, file: str) -> str:
    """A traceback of another process, where code that was sent there by value has lost its file: with this file."""

    def found(frame: re.Match[str]) -> str:
        indent, line, function = frame.groups()
        source = _source(file, int(line), {})
        where = f'{indent}File "{file}", line {line}, in {function}'
        return f"{where}\n{indent}  {source}" if source else where

    return _WITHOUT_FILE.sub(found, traceback) if file else traceback


def storable(text: str, limit_chars: int | None = None) -> str:
    """The text, cut, with escapes in the place of what no database takes."""
    return _UNSTORABLE.sub(_escaped, text[:limit_chars])


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")


def raw_attribute(error: BaseException, name: str) -> Any:
    """The attribute as BaseException itself keeps it, past anything the class has in its place."""
    return BaseException.__dict__[name].__get__(error)


def _members(group: BaseException) -> tuple[BaseException, ...]:
    members: tuple[BaseException, ...] = BaseExceptionGroup.__dict__["exceptions"].__get__(group)
    return members


def _note(note: Any) -> str:
    try:
        return storable(str.__str__(str(note)), MESSAGE_LIMIT_CHARS)
    except BaseException as broken:  # noqa: BLE001 - as for messages
        return f"<a note that cannot be shown: {type_name(broken)}>"


# -- the lines of a traceback


def _chain(error: BaseException, seen: set[int], internal: bool) -> Iterator[str]:
    """An exception behind what led to it, the first cause first."""
    links: list[tuple[BaseException, str]] = []
    one: BaseException | None = error
    while one is not None and id(one) not in seen and len(seen) < EXCEPTIONS_LIMIT:
        seen.add(id(one))
        before, words = raw_attribute(one, "__cause__"), _CAUSE
        if before is None and not raw_attribute(one, "__suppress_context__"):
            before, words = raw_attribute(one, "__context__"), _CONTEXT
        links.append((one, words))
        one = None if is_a(one, HoldwaterError) and is_a(before, HoldwaterError) else before  # it is said twice
    for k, (link, words) in enumerate(reversed(links)):
        if k:
            yield from ("", words, "")
        yield from _one(link, seen, internal)


def _one(error: BaseException, seen: set[int], internal: bool) -> Iterator[str]:
    frames = list(_frames(error, internal))
    if frames:
        yield "Traceback (most recent call last):"
        yield from frames
    message = message_of(error)[:MESSAGE_LIMIT_CHARS]
    yield f"{full_name(error)}: {message}" if message else full_name(error)
    for note in notes_of(error):
        yield from note.split("\n")
    if is_a(error, BaseExceptionGroup):
        members = _members(error)
        for k, member in enumerate(members[:MEMBERS_LIMIT]):
            yield f"  [{k + 1} of {len(members)}]"
            yield from [f"    {line}" for line in _chain(member, seen, internal)]


def full_name(error: BaseException) -> str:
    """With its module, as Python shows it."""
    try:
        cls = type(error)
        module = type.__dict__["__module__"].__get__(cls)
        name: str = type.__dict__["__qualname__"].__get__(cls)
        return name if module in ("builtins", "__main__") else f"{module}.{name}"
    except BaseException:  # noqa: BLE001 - a class without a module
        return type_name(error)


@dataclass(frozen=True, slots=True)
class _FrameText:
    file: str
    line: int
    function: str
    source: str

    def __str__(self) -> str:
        where = f'  File "{self.file}", line {self.line}, in {self.function}'
        return f"{where}\n    {self.source}" if self.source else where


def _frames(error: BaseException, internal: bool) -> Iterator[str]:
    """Lines of the frames; those of this package only where an exception comes out of it."""
    outer: list[TracebackType] = []
    inner: deque[TracebackType] = deque(maxlen=INNER_FRAMES_LIMIT)
    ours: deque[TracebackType] = deque(maxlen=INNER_FRAMES_LIMIT)  # since the last frame of somebody else
    count = 0
    tb: TracebackType | None = raw_attribute(error, "__traceback__")
    while tb is not None:
        if not internal and _is_ours(tb.tb_frame.f_code.co_filename):
            ours.append(tb)
        else:
            ours.clear()
            count += 1
            (outer if len(outer) < OUTER_FRAMES_LIMIT else inner).append(tb)
        tb = tb.tb_next
    if is_a(error, HoldwaterError):  # it says itself all there is to say of this package
        ours.clear()
    yield from _repeated(outer)
    if count > len(outer) + len(inner):
        yield f"  ... {count - len(outer) - len(inner)} frames left out ..."
    yield from _repeated([*inner, *ours])


def _repeated(tbs: Iterable[TracebackType]) -> Iterator[str]:
    """A line for each frame, but for long rows of equal ones: recursion."""
    for frame, row in itertools.groupby(map(_frame, tbs)):
        times = len(list(row))
        yield from [str(frame)] * min(times, REPEATED_FRAMES_LIMIT)
        if times > REPEATED_FRAMES_LIMIT:
            yield f"  [the frame above is repeated {times - REPEATED_FRAMES_LIMIT} more times]"


def _frame(tb: TracebackType) -> _FrameText:
    code, line = tb.tb_frame.f_code, tb.tb_lineno or 0
    return _FrameText(code.co_filename, line, code.co_name, _source(code.co_filename, line, tb.tb_frame.f_globals))


def _source(file: str, line: int, names: dict[str, Any]) -> str:
    try:
        linecache.checkcache(file)
        return linecache.getline(file, line, names).strip()
    except Exception:  # noqa: BLE001 - the loader of a module may raise anything; the frame is shown without its line
        return ""


def _is_ours(file: str) -> bool:
    return file.startswith(_GENERATED) or (file.startswith(_PACKAGE) and not file.startswith(_DEMO))
