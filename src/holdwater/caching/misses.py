"""Explanation of a cache miss: the differences from the most similar execution that was stored.

Beside the values a backend keeps a record of every stored key: digests of its inputs and of all the code it depends on.
Records contain no values.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

from holdwater.caching.backends import MissLog
from holdwater.caching.keys import CacheKey

LookupOutcome = Literal["stored", "changed", "evicted", "unstorable", "never seen", "uncacheable"]
CodeDigests = Mapping[str, Mapping[str, str]]

MAX_MISS_CAUSES: Final = 50
MAX_RECORDED_UNITS: Final = 500
MAX_REMEMBERED_CODES: Final = 1000


class MissCause(NamedTuple):
    """One difference between two executions.

    `kind`: input; rules, of a gate; code, of `subject`; gone or new, for code that is no longer or newly reached.
    `detail`: for code, the source in it that changed (its instructions, a global, a default).
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
class MissExplanation:
    """The outcome of a lookup and its causes; `str()` returns it as a sentence."""

    node: str
    outcome: LookupOutcome
    causes: tuple[MissCause, ...] = ()
    reason: str = ""

    def __str__(self) -> str:
        match self.outcome:
            case "stored":
                return f"{self.node}: not a miss, its value is stored"
            case "changed":
                return f"{self.node}: " + "; ".join(map(str, self.causes))
            case "evicted":
                return f"{self.node}: its value was stored, and evicted or removed since"
            case "unstorable":
                return f"{self.node}: its value could not be stored: {self.reason}"
            case "never seen":
                return f"{self.node}: nothing is known of an execution before"
            case "uncacheable":
                return f"{self.node}: cannot be cached: {self.reason}"


class CacheRecord(NamedTuple):
    """The record of a stored execution.

    `code_digest`: names the topic with the digests of its code, which many executions share.
    """

    key: str
    code_digest: str
    gate_rules: str
    input_digests: dict[str, str]
    unstorable_reason: str = ""


class MissExplainer:
    """Writes and reads the miss records of a backend."""

    def __init__(self, miss_log: MissLog) -> None:
        self._miss_log = miss_log
        self._recorded_codes: set[str] = set()

    def record_stored(self, key: CacheKey, unstorable_reason: str = "") -> None:
        code = key.code.digest.hex()
        if code not in self._recorded_codes:
            self._miss_log.append_record(
                _code_topic(code), _to_json([*key.code.dependency_digests().items()][:MAX_RECORDED_UNITS])
            )
            if len(self._recorded_codes) >= MAX_REMEMBERED_CODES:
                self._recorded_codes.clear()
            self._recorded_codes.add(code)
        self._miss_log.append_record(
            key.log_topic,
            _to_json(CacheRecord(key.hex_digest, code, key.gate_rules, dict(key.input_digests), unstorable_reason)),
        )

    def explain(self, node: str, key: CacheKey) -> MissExplanation:
        """Explain the miss of a key whose value is not stored."""
        known = [CacheRecord(*json.loads(text)) for text in self._miss_log.read_records(key.log_topic)]
        if not known:
            return MissExplanation(node, "never seen")
        for one in reversed(known):
            if one.key == key.hex_digest:
                return MissExplanation(
                    node, "unstorable" if one.unstorable_reason else "evicted", reason=one.unstorable_reason
                )
        nearest = max(reversed(known), key=lambda one: _similarity(one, key))
        return MissExplanation(node, "changed", tuple(self._miss_causes(node, nearest, key))[:MAX_MISS_CAUSES])

    def _miss_causes(self, node: str, before: CacheRecord, now: CacheKey) -> Iterator[MissCause]:
        for name in sorted(before.input_digests.keys() | now.input_digests.keys()):
            if before.input_digests.get(name) != now.input_digests.get(name):
                detail = (
                    "is new"
                    if name not in before.input_digests
                    else "is gone"
                    if name not in now.input_digests
                    else "changed"
                )
                yield MissCause("input", name, detail)
        if before.gate_rules != now.gate_rules:
            yield MissCause("rules", node)
        if before.code_digest != now.code.digest.hex():
            texts = self._miss_log.read_records(_code_topic(before.code_digest))
            found = list(_code_miss_causes(dict(json.loads(texts[-1])), now.code.dependency_digests())) if texts else []
            yield from found or [MissCause("code", node, "the code behind it")]


def _code_miss_causes(before: CodeDigests, now: CodeDigests) -> Iterator[MissCause]:
    for name, sources in now.items():
        if name not in before:
            yield MissCause("new", name)
        else:
            yield from [MissCause("code", name, label) for label in _changed_labels(before[name], sources)]
    yield from [MissCause("gone", name) for name in before if name not in now]


def _changed_labels(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    return sorted([label for label in before.keys() | now.keys() if before.get(label) != now.get(label)])


def _similarity(record: CacheRecord, key: CacheKey) -> tuple[bool, bool, int]:
    same = sum([key.input_digests.get(name) == digest for name, digest in record.input_digests.items()])
    return record.code_digest == key.code.digest.hex(), record.gate_rules == key.gate_rules, same


def _code_topic(code: str) -> str:
    return f"code:{code}"


def _to_json(data: Any) -> str:
    return json.dumps(data, separators=(",", ":"))
