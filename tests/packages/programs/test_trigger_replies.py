"""Answers of triggers from hosts are not trusted."""

from __future__ import annotations

import json
import sys

import pytest

from holdwater.errors import BadAnswer
from holdwater.model.message_framing import pack_frame
from holdwater.packages.programs.trigger_replies import MAX_CONTEXT_NAMES, read_trigger_reply

CLASS = json.dumps({"$t": "dataclass", "c": "tests.runtime.executors.imported_by_nobody:Thing", "v": {}}).encode()

FORGED = {
    "nothing": b"",
    "more behind it": pack_frame([True, None]) + b"more",
    "an object": pack_frame({"fires": True}),
    "one field": pack_frame([True]),
    "three fields": pack_frame([True, None, None]),
    "a number for true": pack_frame([1, None]),
    "names that are a text": pack_frame([True, "n"], b"1"),
    "a name that is a number": pack_frame([True, [1]], b"1"),
    "more names than values": pack_frame([True, ["a", "b"]], b"1"),
    "more values than names": pack_frame([True, ["a"]], b"1", b"2"),
    "too many values": pack_frame([True, []], *[b"1"] * (MAX_CONTEXT_NAMES + 1)),
    "a value that is no JSON": pack_frame([True, ["a"]], b"{"),
    "a value that closes its entry": pack_frame([True, ["a"]], b'1,"b":2'),
    "NaN": pack_frame([True, ["a"]], b"NaN"),
    "an infinite number": pack_frame([True, ["a"]], b"1e999"),
    "a text that is not ASCII": pack_frame([True, ["a"]], '"\u00fc"'.encode()),
    "a deep value": pack_frame([True, ["a"]], b"[" * 5_000 + b"]" * 5_000),
    "a part of negative length": b"\x00\x00\x00\x12" + b'[[true,["a"]],[-1]]',
}


@pytest.mark.parametrize("case", FORGED)
def test_a_forged_answer(case: str) -> None:
    with pytest.raises(BadAnswer):
        read_trigger_reply(FORGED[case], "arrived")


def test_a_class_that_an_answer_names_is_not_imported() -> None:
    found = read_trigger_reply(pack_frame([True, ["thing"]], CLASS), "arrived")
    assert (found.context or {})["thing"].text.startswith('{"$t":"dataclass"')
    assert "tests.runtime.executors.imported_by_nobody" not in sys.modules
