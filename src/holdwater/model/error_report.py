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

from holdwater.errors import HoldwaterError, NodeFailure, TaskNotPortable, WorkerCrashed

E = TypeVar("E")

MAX_TEXT_CHARS: Final = 100_000
MAX_KIND_CHARS: Final = 500
MAX_TRACEBACK_CHARS: Final = 20_000
"""of the whole traceback; what is longer loses its middle"""
MAX_MESSAGE_CHARS: Final = 2_000
"""of one message or note inside a traceback"""
MAX_OUTER_FRAMES: Final = 10
MAX_INNER_FRAMES: Final = 40
"""frames shown of one exception: so many from where it was caught, so many up to where it was raised"""
MAX_REPEATED_FRAMES: Final = 3
"""equal frames in a row that are shown one by one"""
MAX_EXCEPTIONS: Final = 50
"""exceptions shown in one traceback: causes, contexts and members of groups"""
MAX_GROUP_MEMBERS: Final = 10
"""members shown of one group"""
MAX_NOTES: Final = 20
MAX_FLATTENED: Final = 1_000
MAX_FLATTENED_IN_TEXT: Final = 5

_CAUSE_HEADER: Final = "The above exception was the direct cause of the following exception:"
_CONTEXT_HEADER: Final = "During handling of the above exception, another exception occurred:"
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")
_FILELESS_FRAME: Final = re.compile(r'^( *)File "<dynamic-code>", line (\d+), in (.*)$', re.MULTILINE)
_PACKAGE_PREFIX: Final = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_DEMO_PREFIX: Final = os.path.join(_PACKAGE_PREFIX, "demo") + os.sep
_GENERATED_PREFIX: Final = "<map over graph "
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
    def from_exception(cls, error: BaseException) -> ErrorReport:
        """Raises nothing, whatever the exception is."""
        return cls(error_kind(error), describe_error(error), format_traceback(error))


def is_a(error: object, kind: type[E] | tuple[type[E], ...]) -> TypeGuard[E]:
    """`isinstance`, by the true type alone, as an `except` clause judges."""
    return issubclass(type(error), kind)


def safe_getattr(error: BaseException | None, name: str, default: Any = None) -> Any:
    """An attribute; `default` if there is none or the exception's own code raises."""
    try:
        return getattr(error, name, default)
    except BaseException:  # noqa: BLE001 - a broken __getattr__ must not hide the error
        return default


def type_name(error: BaseException) -> str:
    """The name of its class."""
    name: str = type.__dict__["__name__"].__get__(type(error))
    return name[:MAX_KIND_CHARS]


def error_kind(error: BaseException) -> str:
    """The name `retryable_errors` compares: the class, "TIMEOUT" for time-outs, "CRASHED" for lost workers."""
    if is_a(error, NodeFailure):
        return sanitize_text(error.holdwater_kind, MAX_KIND_CHARS)
    if is_a(error, WorkerCrashed):
        return "CRASHED"
    return "TIMEOUT" if is_a(error, TimeoutError) else type_name(error)


def judged_error(error: BaseException) -> tuple[BaseException | None, bool]:
    """The exception a retry policy judges, and True if another attempt is of no use, whatever the policy says."""
    if is_a(error, NodeFailure):
        return error.__cause__, error.holdwater_final
    return error, is_a(error, TaskNotPortable)


def error_message(error: BaseException) -> str:
    """`str(error)`, bounded and storable, also where `__str__` raises."""
    try:
        text = str.__str__(str(error))
    except BaseException as broken:  # noqa: BLE001 - a broken __str__ must not hide the error
        text = f"<its text cannot be shown: {type_name(broken)}>"
    return sanitize_text(text, MAX_TEXT_CHARS)


def describe_error(error: BaseException) -> str:
    """`Type: message`; of a group with its first causes."""
    if is_a(error, NodeFailure):
        return sanitize_text(error.holdwater_text, MAX_TEXT_CHARS)
    message = error_message(error)
    text = f"{type_name(error)}: {message}" if message else type_name(error)
    if is_a(error, BaseExceptionGroup):
        found = flatten_group(error)
        shown = [describe_error(leaf) for leaf in found[:MAX_FLATTENED_IN_TEXT]]
        more = f"; and {len(found) - len(shown)} more" if len(found) > len(shown) else ""
        text = f"{text}: {'; '.join(shown)}{more}"
    return text[:MAX_TEXT_CHARS]


def flatten_group(error: BaseException | None) -> list[BaseException]:
    """The exceptions in a group and the groups in it, in order; the exception itself if it is no group."""
    found: list[BaseException] = []
    todo = [] if error is None else [error]
    while todo and len(found) < MAX_FLATTENED:
        one = todo.pop()
        if is_a(one, BaseExceptionGroup):
            todo += reversed(_group_members(one))
        else:
            found.append(one)
    return found


def error_notes(error: BaseException) -> list[str]:
    """Return the notes of `add_note` that can be read."""
    try:
        notes = object.__getattribute__(error, "__notes__")
        if not isinstance(notes, (list, tuple)):
            return []
        return [_format_note(note) for note in list(notes)[:MAX_NOTES]]
    except BaseException:  # noqa: BLE001 - an exception may have no notes, and a broken `__notes__`
        return []


def format_traceback(error: BaseException, *, internal: bool = False) -> str:
    """The traceback with causes, contexts, members of groups and notes, as Python prints it but without our own frames.

    `internal`: keep the frames of this package, for an error of the engine.  Of a failure a task function reported in
    its own words, the traceback of its cause.  "" if it would say no more than the text does.
    """
    if is_a(error, NodeFailure):
        cause = raw_attribute(error, "__cause__")
        return "" if cause is None else format_traceback(cause, internal=internal)
    lines = list(_format_chain(error, set(), internal))
    if len(lines) <= 1:
        return ""
    text = sanitize_text("\n".join(lines))
    if len(text) <= MAX_TRACEBACK_CHARS:
        return text
    head = MAX_TRACEBACK_CHARS // 4
    tail = MAX_TRACEBACK_CHARS - head
    return f"{text[:head]}\n... {len(text) - head - tail} characters left out ...\n{text[-tail:]}"


def restore_source_lines(traceback: str, file: str) -> str:
    """A traceback of another process, where code that was sent there by value has lost its file: with this file."""

    def found(frame: re.Match[str]) -> str:
        indent, line, function = frame.groups()
        source = _source_line(file, int(line), {})
        where = f'{indent}File "{file}", line {line}, in {function}'
        return f"{where}\n{indent}  {source}" if source else where

    return _FILELESS_FRAME.sub(found, traceback) if file else traceback


def error_headline(text: str) -> str:
    """Return the line of a text of `describe_error`, or with a traceback in it, that says what was raised."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("hint: ")] or [""]
    frames = [i for i, line in enumerate(lines) if line.startswith('  File "')]
    raised = [line for line in lines[frames[-1] + 1 :] if not line.startswith("  ")] if frames else lines
    return (raised or lines)[0].strip()


def sanitize_text(text: str, limit_chars: int | None = None) -> str:
    """The text, cut, with escapes in the place of what no database takes."""
    return _UNSTORABLE.sub(_escape, text[:limit_chars])


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")


def raw_attribute(error: BaseException, name: str) -> Any:
    """The attribute as BaseException itself keeps it, past anything the class has in its place."""
    return BaseException.__dict__[name].__get__(error)


def _group_members(group: BaseException) -> tuple[BaseException, ...]:
    members: tuple[BaseException, ...] = BaseExceptionGroup.__dict__["exceptions"].__get__(group)
    return members


def _format_note(note: Any) -> str:
    try:
        return sanitize_text(str.__str__(str(note)), MAX_MESSAGE_CHARS)
    except BaseException as broken:  # noqa: BLE001 - as for messages
        return f"<a note that cannot be shown: {type_name(broken)}>"


# -- the lines of a traceback


def _format_chain(error: BaseException, seen: set[int], internal: bool) -> Iterator[str]:
    """An exception behind what led to it, the first cause first."""
    links: list[tuple[BaseException, str]] = []
    one: BaseException | None = error
    while one is not None and id(one) not in seen and len(seen) < MAX_EXCEPTIONS:
        seen.add(id(one))
        before, words = raw_attribute(one, "__cause__"), _CAUSE_HEADER
        if before is None and not raw_attribute(one, "__suppress_context__"):
            before, words = raw_attribute(one, "__context__"), _CONTEXT_HEADER
        links.append((one, words))
        one = None if is_a(one, HoldwaterError) and is_a(before, HoldwaterError) else before  # it is said twice
    for k, (link, words) in enumerate(reversed(links)):
        if k:
            yield from ("", words, "")
        yield from _format_exception(link, seen, internal)


def _format_exception(error: BaseException, seen: set[int], internal: bool) -> Iterator[str]:
    frames = list(_format_frames(error, internal))
    if frames:
        yield "Traceback (most recent call last):"
        yield from frames
    if is_a(error, SyntaxError):
        yield from _syntax_error_lines(error)
    message = error_message(error)[:MAX_MESSAGE_CHARS]
    yield f"{qualified_type_name(error)}: {message}" if message else qualified_type_name(error)
    for note in error_notes(error):
        yield from note.split("\n")
    if is_a(error, BaseExceptionGroup):
        members = _group_members(error)
        for k, member in enumerate(members[:MAX_GROUP_MEMBERS]):
            yield f"  [{k + 1} of {len(members)}]"
            yield from [f"    {line}" for line in _format_chain(member, seen, internal)]


def _syntax_error_lines(error: SyntaxError) -> Iterator[str]:
    """The place in a file that cannot be compiled, with its line and a mark below what is wrong."""
    file, line, source, offset = [
        SyntaxError.__dict__[name].__get__(error) for name in ("filename", "lineno", "text", "offset")
    ]
    if type(file) is not str or type(line) is not int:
        return
    yield f'  File "{file}", line {line}'
    if type(source) is str and source.strip():
        shown = source.strip().splitlines()[0][:MAX_MESSAGE_CHARS]
        yield f"    {shown}"
        column = offset - (len(source) - len(source.lstrip())) if type(offset) is int else 0
        if 0 < column <= len(shown) + 1:
            yield f"    {' ' * (column - 1)}^"


def qualified_type_name(error: BaseException) -> str:
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
    source_line: str

    def __str__(self) -> str:
        where = f'  File "{self.file}", line {self.line}, in {self.function}'
        return f"{where}\n    {self.source_line}" if self.source_line else where


def _format_frames(error: BaseException, internal: bool) -> Iterator[str]:
    """Lines of the frames; those of this package only where an exception comes out of it."""
    outer: list[TracebackType] = []
    inner: deque[TracebackType] = deque(maxlen=MAX_INNER_FRAMES)
    ours: deque[TracebackType] = deque(maxlen=MAX_INNER_FRAMES)  # since the last frame of other code
    count = 0
    tb: TracebackType | None = raw_attribute(error, "__traceback__")
    while tb is not None:
        if not internal and _is_internal_file(tb.tb_frame.f_code.co_filename):
            ours.append(tb)
        else:
            ours.clear()
            count += 1
            (outer if len(outer) < MAX_OUTER_FRAMES else inner).append(tb)
        tb = tb.tb_next
    if is_a(error, HoldwaterError):  # it says itself all there is to say of this package
        ours.clear()
    yield from _collapse_repeats(outer)
    if count > len(outer) + len(inner):
        yield f"  ... {count - len(outer) - len(inner)} frames left out ..."
    yield from _collapse_repeats([*inner, *ours])


def _collapse_repeats(tbs: Iterable[TracebackType]) -> Iterator[str]:
    """A line for each frame, but for long rows of equal ones: recursion."""
    for frame, row in itertools.groupby(map(_read_frame, tbs)):
        times = len(list(row))
        yield from [str(frame)] * min(times, MAX_REPEATED_FRAMES)
        if times > MAX_REPEATED_FRAMES:
            yield f"  [the frame above is repeated {times - MAX_REPEATED_FRAMES} more times]"


def _read_frame(tb: TracebackType) -> _FrameText:
    code, line = tb.tb_frame.f_code, tb.tb_lineno or 0
    return _FrameText(code.co_filename, line, code.co_name, _source_line(code.co_filename, line, tb.tb_frame.f_globals))


def _source_line(file: str, line: int, names: dict[str, Any]) -> str:
    try:
        linecache.checkcache(file)
        return linecache.getline(file, line, names).strip()
    except Exception:  # noqa: BLE001 - the loader of a module may raise anything; the frame is shown without its line
        return ""


def _is_internal_file(file: str) -> bool:
    return file.startswith(_GENERATED_PREFIX) or (
        file.startswith(_PACKAGE_PREFIX) and not file.startswith(_DEMO_PREFIX)
    )
