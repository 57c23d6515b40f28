"""Rules in words, for drawings."""

from __future__ import annotations

import json
from typing import Any, Final

from holdwater.model.rules import (
    FAILED,
    OK_OUTCOMES,
    SKIPPED,
    SUCCEEDED,
    UPSTREAM_FAILED,
    After,
    AllOf,
    AnyOf,
    GateOpen,
    HasRun,
    Not,
    Rule,
    ValuePredicate,
)

MAX_DEPTH: Final = 6
"""of what is shown of a rule: below it an ellipsis stands"""
MAX_CONDITIONS: Final = 6
"""of one group that are shown"""
MAX_LITERAL_CHARS: Final = 24

_OPERATORS: Final = {
    "equals": "=",
    "not_equals": "≠",
    "greater_than": ">",
    "less_than": "<",
    "greater_or_equal": "≥",
    "less_or_equal": "≤",
    "contains": "contains",
    "not_contains": "does not contain",
    "exists": "exists",
    "not_exists": "does not exist",
}
_WITHOUT_LITERAL: Final = ("exists", "not_exists")


def rule_text(rule: Rule | None, depth: int = 0) -> str:
    """Return a rule in words, for example `price failed or amount > 900`."""
    if depth > MAX_DEPTH:
        return "…"
    match rule:
        case None | AllOf(rules=()):
            return "always"
        case After(node, outcomes):
            return f"{node} {outcomes_text(outcomes) or 'ended'}"
        case ValuePredicate(name, op, literal):
            sign = _OPERATORS.get(op, op)
            return f"{name} {sign}" if op in _WITHOUT_LITERAL else f"{name} {sign} {_literal_text(literal)}"
        case HasRun(node, negated):
            return f"{node} has {'not ' if negated else ''}run"
        case GateOpen(gate, target):
            return f"{gate} chose {target}"
        case Not(inner):
            return f"not ({rule_text(inner, depth + 1)})"
        case AllOf(rules):
            return _group_text(rules, " and ", depth)
        case AnyOf(rules):
            return _group_text(rules, " or ", depth)


def outcomes_text(outcomes: frozenset[str]) -> str:
    """Return the outcomes a rule asks for in words; empty for those that every task without a rule asks for."""
    if outcomes == OK_OUTCOMES:
        return ""
    skipped = frozenset({SKIPPED, UPSTREAM_FAILED})
    words = [
        word
        for word, members in (("succeeded", {SUCCEEDED}), ("failed", {FAILED}), ("skipped", skipped))
        if outcomes & members
    ]
    return " or ".join(words)


def _group_text(rules: tuple[Rule, ...], joint: str, depth: int) -> str:
    shown = [rule_text(rule, depth + 1) for rule in rules[:MAX_CONDITIONS]]
    if len(rules) > MAX_CONDITIONS:
        shown.append("…")
    text = joint.join(shown)
    return f"({text})" if depth and len(shown) > 1 else text


def _literal_text(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= MAX_LITERAL_CHARS else f"{text[: MAX_LITERAL_CHARS - 1]}…"
