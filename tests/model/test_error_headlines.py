"""The one line of an error that lists show."""

from __future__ import annotations

import pytest

from holdwater.errors import TrustError
from holdwater.model.error_report import describe_error, error_headline

TRACEBACK = """\
ReleaseBroken: package orders 1.0 (0123456789abcdef): Traceback (most recent call last):
  File "workflow/flows.py", line 2, in <module>
    raise RuntimeError("no luck\\nat import")
RuntimeError: no luck
at import
  hint: look at it"""
SYNTAX = """\
Traceback (most recent call last):
  File "workflow/flows.py", line 2
    def f(:
          ^
SyntaxError: invalid syntax (flows.py, line 2)"""


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", ""),
        ("no", "no"),
        (describe_error(TrustError("it is not signed", hint="sign it")), "TrustError: it is not signed"),
        (TRACEBACK, "RuntimeError: no luck"),
        (SYNTAX, "SyntaxError: invalid syntax (flows.py, line 2)"),
        ('  File "x", line 1\n', 'File "x", line 1'),
    ],
)
def test_the_line_that_says_what_was_raised(text: str, line: str) -> None:
    assert error_headline(text) == line
