"""Exceptions as they are recorded: described whatever their own code does, bounded, and with the user's frames."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any, Final, Literal

import pytest

from holdwater import Context, register_type
from holdwater.errors import EncodingError, NodeFailure
from holdwater.model import codec, error_report
from holdwater.model.error_report import ErrorReport, ErrorText, describe_error, flatten_group, format_traceback
from holdwater.model.policies import RetryPolicy
from tests.model.hostile_exceptions import HOSTILE

EMPTY: Final[dict[str, int]] = {}


def catch(call: Callable[[], Any]) -> BaseException:
    """What the call raised, with its traceback."""
    try:
        call()
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


def raise_(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize("name", HOSTILE)
def test_every_exception_can_be_described(name: str) -> None:
    error = catch(lambda: raise_(HOSTILE[name]()))
    report = ErrorReport.from_exception(error)
    assert report.kind == name
    assert report.text.startswith(report.kind)
    assert "in raise_" in report.traceback
    assert (
        f"{report.kind}" in report.traceback.splitlines()[-1]
        or "note" in report.traceback
        or "of 2]" in report.traceback
    )
    for text in (report.text, report.traceback):
        assert type(text) is str
        assert "\x00" not in text
        text.encode()  # no surrogates
    assert len(report.text) <= error_report.MAX_TEXT_CHARS
    assert len(report.traceback) <= error_report.MAX_TRACEBACK_CHARS + 100
    conditions: list[Literal["all", "transient"]] = ["all", "transient"]
    for condition in conditions:
        assert RetryPolicy(condition=condition, retry_on=(ZeroDivisionError,)).is_retryable(error, "x", "") is False


def test_what_a_text_cannot_hold_is_escaped() -> None:
    assert describe_error(ValueError("a\x00b\ud800")) == "ValueError: a\\x00b\\ud800"


def test_a_group_is_shown_with_its_causes_however_many_there_are() -> None:
    many = ExceptionGroup("many", [ExceptionGroup("in", [KeyError(i)]) for i in range(2_000)])
    assert len(flatten_group(many)) == error_report.MAX_FLATTENED
    assert "KeyError: 0; KeyError: 1" in describe_error(many)
    assert "and 995 more" in describe_error(many)
    text = format_traceback(many)
    assert "[1 of 2000]" in text
    assert "KeyError: 0" in text


def deep(n: int) -> None:
    if n == 0:
        raise ValueError("the bottom")
    other(n - 1)


def other(n: int) -> None:
    deep(n)


def endless() -> None:
    endless()


def test_a_deep_traceback_keeps_both_ends() -> None:
    lines = format_traceback(catch(lambda: deep(200))).splitlines()
    assert "frames left out" in "".join(lines)
    assert len(lines) < 150
    assert lines[1].endswith("in catch")
    assert lines[-1] == "ValueError: the bottom"
    assert "in deep" in lines[-3]


def test_recursion_is_told_once() -> None:
    text = format_traceback(catch(endless))
    assert text.count("in endless") < 10
    assert "is repeated" in text
    assert text.splitlines()[-1].startswith("RecursionError")


def test_causes_contexts_and_notes() -> None:
    def body() -> None:
        try:
            try:
                EMPTY["first"]
            except KeyError:
                int("second")
        except ValueError as error:
            third = RuntimeError("third")
            third.add_note("seen at noon")
            raise third from error

    text = format_traceback(catch(body))
    parts = ["KeyError: 'first'", "During handling", "invalid literal", "was the direct cause", "RuntimeError: third"]
    places = [text.index(part) for part in [*parts, "seen at noon"]]
    assert places == sorted(places)
    assert text.count("in body") == 3


def test_a_suppressed_context_stays_away() -> None:
    def body() -> None:
        try:
            EMPTY["hidden"]
        except KeyError:
            raise ValueError("shown") from None

    text = format_traceback(catch(body))
    assert "hidden" not in text.replace('EMPTY["hidden"]', "")
    assert "During handling" not in text


def test_a_long_chain_and_a_huge_message_are_bounded() -> None:
    error: BaseException = ValueError("x" * 10_000_000)
    for _ in range(500):
        outer = ValueError("y" * 5_000)
        outer.__cause__, error = error, outer
    text = format_traceback(error)
    assert len(text) < error_report.MAX_TRACEBACK_CHARS + 100
    assert "characters left out" in text


def test_our_own_frames_are_left_out() -> None:
    def body() -> None:
        Context({})["x"] = object()

    error = catch(body)
    assert isinstance(error, EncodingError)
    text = format_traceback(error)
    assert "in body" in text
    assert "holdwater/tasks" not in text
    assert "Traceback" in text


def test_an_exception_that_was_never_raised_has_no_traceback() -> None:
    assert format_traceback(ValueError("only told")) == ""
    assert format_traceback(NodeFailure("CHILD", "text")) == ""


@pytest.mark.parametrize(
    ("options", "covered"),
    [
        ({"retryable_errors": ("ConnectionRefusedError",)}, True),
        ({"retryable_errors": ("ExceptionGroup",)}, True),
        ({"retryable_errors": ("TIMEOUT",)}, True),
        ({"retryable_errors": ("OSError",)}, False),
        ({"retry_on": (ConnectionError,)}, True),
        ({"retry_on": (ExceptionGroup,)}, True),
        ({"retry_on": (KeyError,)}, False),
        ({"patterns": ("deep inside",)}, True),
        ({"patterns": ("not there",)}, False),
        ({"condition": "transient"}, True),
        ({"condition": "never"}, False),
    ],
)
def test_the_causes_in_a_group_count_for_retries(options: dict[str, Any], covered: bool) -> None:
    inner = ExceptionGroup("inner", [TimeoutError("slow"), ValueError("deep inside")])
    error = ExceptionGroup("outer", [ConnectionRefusedError("no"), inner])
    report = ErrorReport.from_exception(error)
    assert RetryPolicy(**options).is_retryable(error, report.kind, report.text) is covered


def test_an_error_text_is_a_string_that_knows_more() -> None:
    text = pickle.loads(pickle.dumps(ErrorText("KeyError: 'x'", "KeyError", "Traceback ...")))
    assert text == "KeyError: 'x'"
    assert (text.kind, text.traceback) == ("KeyError", "Traceback ...")


def test_an_encoder_that_raises_an_error_without_a_text() -> None:
    class Unprintable(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    class Value:
        pass

    def refuse(_: Value) -> None:
        raise Unprintable

    register_type(Value, "tests.unprintable", refuse, lambda _: Value())
    with pytest.raises(EncodingError, match="raised Unprintable: <its text cannot be shown: RuntimeError>"):
        codec.encode(Value())


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("x = 1\n    def (\n", ['  File "flows.py", line 2', "    def (", "IndentationError"]),
        ("if x:\n    y = = 2\n", ['  File "flows.py", line 2', "    y = = 2", "        ^", "SyntaxError"]),
    ],
)
def test_a_syntax_error_shows_its_line(source: str, lines: list[str]) -> None:
    with pytest.raises(SyntaxError) as raised:
        compile(source, "flows.py", "exec")
    text = format_traceback(raised.value)
    assert all(line in text for line in lines), text


def test_a_syntax_error_that_says_nothing_useful() -> None:
    for arguments in ((), ("text",), ("text", ("file.py", None, 3, b"x")), ("text", (7, "x", None, None))):
        error = SyntaxError(*arguments)
        assert "File" not in format_traceback(error)
        assert describe_error(error)
