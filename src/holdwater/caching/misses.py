"""Why an execution was not found in the cache: what differs from the nearest one that was stored.

Beside the entries a backend keeps notes: of every stored key the digests of its inputs and of all the code behind it.
No values are in them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

from holdwater.caching.backends import Notes
from holdwater.caching.keys import Key

Verdict = Literal["stored", "changed", "evicted", "unstorable", "never seen", "uncacheable"]
Code = Mapping[str, Mapping[str, str]]

MAX_CHANGES: Final = 50
MAX_UNITS_NOTED: Final = 500
MAX_CODES_REMEMBERED: Final = 1000


class Change(NamedTuple):
    """`kind`: input, rules (of a gate), code (of `subject`), or gone and new for code that is not reached any more or
    was not.  `detail`: of code, what it reads that is different.
    """

    kind: Literal["input", "rules", "code", "gone", "new"]
    subject: str
    detail: str = ""

    def __str__(self) -> str:
        match self.kind:
            case "input":
                return f"input {self.subject} {self.detail}"
            case "rules":
                return f"the targets of {self.subject} changed"
            case "code":
                return f"{self.subject}: {self.detail} changed"
            case "gone":
                return f"{self.subject} is not used any more"
            case "new":
                return f"{self.subject} is used now"


@dataclass(frozen=True, slots=True)
class WhyMiss:
    """`str()` of it is the explanation."""

    node: str
    verdict: Verdict
    changes: tuple[Change, ...] = ()
    reason: str = ""

    def __str__(self) -> str:
        match self.verdict:
            case "stored":
                return f"{self.node}: not a miss, its value is stored"
            case "changed":
                return f"{self.node}: " + "; ".join(map(str, self.changes))
            case "evicted":
                return f"{self.node}: its value was stored, and evicted or removed since"
            case "unstorable":
                return f"{self.node}: its value could not be stored: {self.reason}"
            case "never seen":
                return f"{self.node}: nothing is known of an execution before"
            case "uncacheable":
                return f"{self.node}: cannot be cached: {self.reason}"


class Footprint(NamedTuple):
    """What is noted of a stored execution.  `code` names a topic of its own: many executions have the same."""

    key: str
    code: str
    rules: str
    inputs: dict[str, str]
    unstorable: str = ""


class Footprints:
    """Writes and reads the notes of a backend."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._codes_noted: set[str] = set()

    def add(self, key: Key, unstorable: str = "") -> None:
        code = key.code.digest.hex()
        if code not in self._codes_noted:
            self._notes.note(_topic_of(code), _text([*key.code.parts().items()][:MAX_UNITS_NOTED]))
            if len(self._codes_noted) >= MAX_CODES_REMEMBERED:
                self._codes_noted.clear()
            self._codes_noted.add(code)
        self._notes.note(key.topic, _text(Footprint(key.text, code, key.rules, dict(key.inputs), unstorable)))

    def explain(self, node: str, key: Key) -> WhyMiss:
        """Of a key whose value is not there."""
        known = [Footprint(*json.loads(text)) for text in self._notes.recall(key.topic)]
        if not known:
            return WhyMiss(node, "never seen")
        for one in reversed(known):
            if one.key == key.text:
                return WhyMiss(node, "unstorable" if one.unstorable else "evicted", reason=one.unstorable)
        nearest = max(reversed(known), key=lambda one: _likeness(one, key))
        return WhyMiss(node, "changed", tuple(self._changes(node, nearest, key))[:MAX_CHANGES])

    def _changes(self, node: str, before: Footprint, now: Key) -> Iterator[Change]:
        for name in sorted(before.inputs.keys() | now.inputs.keys()):
            if before.inputs.get(name) != now.inputs.get(name):
                detail = "is new" if name not in before.inputs else "is gone" if name not in now.inputs else "changed"
                yield Change("input", name, detail)
        if before.rules != now.rules:
            yield Change("rules", node)
        if before.code != now.code.digest.hex():
            texts = self._notes.recall(_topic_of(before.code))
            found = list(_code_changes(dict(json.loads(texts[-1])), now.code.parts())) if texts else []
            yield from found or [Change("code", node, "the code behind it")]


def _code_changes(before: Code, now: Code) -> Iterator[Change]:
    for name, sources in now.items():
        if name not in before:
            yield Change("new", name)
        else:
            yield from [Change("code", name, label) for label in _differing(before[name], sources)]
    yield from [Change("gone", name) for name in before if name not in now]


def _differing(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    return sorted([label for label in before.keys() | now.keys() if before.get(label) != now.get(label)])


def _likeness(one: Footprint, key: Key) -> tuple[bool, bool, int]:
    same = sum([key.inputs.get(name) == digest for name, digest in one.inputs.items()])
    return one.code == key.code.digest.hex(), one.rules == key.rules, same


def _topic_of(code: str) -> str:
    return f"code:{code}"


def _text(data: Any) -> str:
    return json.dumps(data, separators=(",", ":"))
