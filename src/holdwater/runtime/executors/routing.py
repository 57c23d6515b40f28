"""Which executor runs which body: ordered patterns over full names."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from holdwater.errors import ConfigError, ExecutorNotFound, did_you_mean
from holdwater.model import validation

SEPARATOR: Final = "::"
SEGMENTS: Final = 4
ANY: Final = "**"


@dataclass(frozen=True, slots=True)
class RoutingRule:
    """Bodies whose full name matches `pattern` run on `executor`."""

    pattern: str
    executor: str


class Router:
    """Rules in order; the first that matches `tenant::package::workflow::task` decides, else `default`.

    `*` in a pattern stands for any text within a segment, `**` as a segment for any number of segments; all else stands
    for itself.  Rules are `RoutingRule`s or pairs.  An immutable value.  Raises ConfigError for a pattern that is empty
    or could never match.
    """

    def __init__(self, rules: Iterable[RoutingRule | tuple[str, str]] = (), default: str = "default") -> None:
        self.rules: Final = tuple([_rule(rule) for rule in rules])
        self.default: Final = default
        self._compiled = [(_compiled(rule.pattern), rule.executor) for rule in self.rules]
        if not isinstance(default, str) or not default:
            raise ConfigError(f"default is the name of an executor, not {default!r}")

    def executor_for(self, full_name: str) -> str:
        """The name of the executor for a body."""
        segments = full_name.split(SEPARATOR)
        for pattern, executor in self._compiled:
            if _matches(pattern, segments):
                return executor
        return self.default

    def check(self, executors: Collection[str]) -> None:
        """Raises ExecutorNotFound if a rule, or the default, names another one than these."""
        for rule in self.rules:
            if rule.executor not in executors:
                raise not_found(rule.executor, executors, f"routing rule {rule.pattern!r} names")
        if self.default not in executors:
            raise not_found(self.default, executors, "the default of the routing is")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Router) and (self.rules, self.default) == (other.rules, other.default)

    def __hash__(self) -> int:
        return hash((self.rules, self.default))

    def __repr__(self) -> str:
        rules = ", ".join([f"({rule.pattern!r}, {rule.executor!r})" for rule in self.rules])
        return f"Router([{rules}], default={self.default!r})"


def not_found(name: str, executors: Collection[str], who: str) -> ExecutorNotFound:
    """The error for an executor that is not there; `who` begins the sentence."""
    known = ", ".join(map(repr, sorted(executors)))
    return ExecutorNotFound(
        f"{who} the executor {validation.shorten_repr(name)}, which this runner does not have",
        hint=did_you_mean(name, executors) or f"it has {known}; add others with DefaultRunnerConfig.executors",
    )


def _rule(given: object) -> RoutingRule:
    if isinstance(given, RoutingRule):
        made = given
    elif isinstance(given, (tuple, list)) and len(given) == 2:
        made = RoutingRule(*given)
    else:
        raise ConfigError(f"a routing rule is a pair (pattern, executor), not {given!r}")
    if not isinstance(made.pattern, str) or not isinstance(made.executor, str) or not made.executor:
        raise ConfigError(f"a routing rule is a pair of strings (pattern, executor), not {given!r}")
    return made


Pattern = list[list[str] | None]
"""One list per segment, the texts between its `*`; None: any number of segments."""


def _compiled(pattern: str) -> Pattern:
    segments = pattern.split(SEPARATOR)
    if not all(segments):
        raise ConfigError(f"routing pattern {pattern!r} is empty, or has an empty segment")
    for segment in segments:
        if ANY in segment and segment != ANY:
            raise ConfigError(f"routing pattern {pattern!r}: '**' is a segment of its own", hint="use '*' within one")
    fixed = sum([segment != ANY for segment in segments])
    if fixed > SEGMENTS or (fixed < SEGMENTS and ANY not in segments):
        raise ConfigError(
            f"routing pattern {pattern!r} can match nothing: it has {fixed} segments, and a full name is "
            "tenant::package::workflow::task",
            hint=f"'**::{segments[-1]}' matches in every workflow" if fixed < SEGMENTS else "",
        )
    return [None if segment == ANY else segment.split("*") for segment in segments]


def _matches(pattern: Pattern, segments: list[str]) -> bool:
    """Match from the left; at a mismatch, let the last `**` take one segment more.

    Only the last one is ever reconsidered, so that the work is at most the product of both lengths.
    """
    p = s = taken = 0
    last: int | None = None
    while s < len(segments):
        if p < len(pattern) and pattern[p] is None:
            last, taken, p = p, s, p + 1
        elif p < len(pattern) and _fits(pattern[p] or [], segments[s]):
            p, s = p + 1, s + 1
        elif last is not None:
            taken += 1
            p, s = last + 1, taken
        else:
            return False
    return all([one is None for one in pattern[p:]])


def _fits(parts: list[str], segment: str) -> bool:
    """Whether the parts stand in the segment in their order, the first at its beginning, the last at its end."""
    if len(parts) == 1:
        return segment == parts[0]
    first, *middle, last = parts
    if not segment.startswith(first) or len(segment) < len(first) + len(last) or not segment.endswith(last):
        return False
    at, end = len(first), len(segment) - len(last)
    for part in middle:
        at = segment.find(part, at, end)
        if at < 0:
            return False
        at += len(part)
    return True
