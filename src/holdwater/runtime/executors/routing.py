"""Routing of tasks to executors: ordered patterns over full names."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from holdwater.errors import ConfigError, ExecutorNotFound
from holdwater.model import validation
from holdwater.model.resources import NO_RESOURCES, Resources, check_resources
from holdwater.model.suggestions import did_you_mean

SEPARATOR: Final = "::"
SEGMENT_COUNT: Final = 4
ANY_SEGMENTS: Final = "**"


@dataclass(frozen=True, slots=True)
class RoutingRule:
    """Tasks whose full name matches `pattern` run on `executor`.

    `resources`: requested for them where the executor places work by resources and the task does not ask for others.
    """

    pattern: str
    executor: str
    resources: Resources = field(default_factory=dict, hash=False)

    def to_tuple(self) -> tuple[Any, ...]:
        """The pair or the triple that stands for the rule."""
        return (self.pattern, self.executor, *([dict(self.resources)] if self.resources else []))


class Router:
    """Rules in order; the first that matches `tenant::package::workflow::task` decides, else `default`.

    `*` in a pattern stands for any text within a segment, `**` as a segment for any number of segments; all else stands
    for itself.  Rules are `RoutingRule`s, pairs or triples (pattern, executor, resources).  An immutable value.
    Raises ConfigError for a pattern that is empty or could never match.
    """

    def __init__(
        self,
        rules: Iterable[RoutingRule | tuple[str, str] | tuple[str, str, Resources]] = (),
        default: str = "default",
    ) -> None:
        self.rules: Final = tuple([_to_rule(rule) for rule in rules])
        self.default: Final = default
        self._compiled_rules = [(_compile_pattern(rule.pattern), rule) for rule in self.rules]
        if not isinstance(default, str) or not default:
            raise ConfigError(f"default is the name of an executor, not {default!r}")

    def executor_for(self, full_name: str) -> str:
        """The name of the executor for a task."""
        rule = self._rule_for(full_name)
        return self.default if rule is None else rule.executor

    def resources_for(self, full_name: str, executor: str) -> Resources:
        """The resources of the rule that decides for a task; none if the task asked for another executor itself."""
        rule = self._rule_for(full_name)
        return NO_RESOURCES if rule is None or rule.executor != executor else rule.resources

    def _rule_for(self, full_name: str) -> RoutingRule | None:
        segments = full_name.split(SEPARATOR)
        for pattern, rule in self._compiled_rules:
            if _matches(pattern, segments):
                return rule
        return None

    def check_executors(self, executors: Collection[str]) -> None:
        """Raises ExecutorNotFound if a rule, or the default, names another one than these."""
        for rule in self.rules:
            if rule.executor not in executors:
                raise executor_not_found(rule.executor, executors, f"routing rule {rule.pattern!r} names")
        if self.default not in executors:
            raise executor_not_found(self.default, executors, "the default of the routing is")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Router) and (self.rules, self.default) == (other.rules, other.default)

    def __hash__(self) -> int:
        return hash((self.rules, self.default))

    def __repr__(self) -> str:
        rules = ", ".join([repr(rule.to_tuple()) for rule in self.rules])
        return f"Router([{rules}], default={self.default!r})"


def executor_not_found(name: str, executors: Collection[str], subject: str) -> ExecutorNotFound:
    """The error for an executor that is not there; `who` begins the sentence."""
    known = ", ".join(map(repr, sorted(executors)))
    return ExecutorNotFound(
        f"{subject} the executor {validation.shorten_repr(name)}, which this runner does not have",
        hint=did_you_mean(name, executors) or f"it has {known}; add others with DefaultRunnerConfig.executors",
    )


def _to_rule(value: object) -> RoutingRule:
    if isinstance(value, RoutingRule):
        made = value
    elif isinstance(value, (tuple, list)) and len(value) in (2, 3):
        made = RoutingRule(*value)
    else:
        raise ConfigError(
            f"a routing rule is a pair (pattern, executor) or a triple (pattern, executor, resources), not {value!r}"
        )
    if not isinstance(made.pattern, str) or not isinstance(made.executor, str) or not made.executor:
        raise ConfigError(f"a routing rule is a pair of strings (pattern, executor), not {value!r}")
    check_resources("resources of a routing rule", made.resources)
    return made


Pattern = list[list[str] | None]
"""One list per segment, the texts between its `*`; None: any number of segments."""


def _compile_pattern(pattern: str) -> Pattern:
    segments = pattern.split(SEPARATOR)
    if not all(segments):
        raise ConfigError(f"routing pattern {pattern!r} is empty, or has an empty segment")
    for segment in segments:
        if ANY_SEGMENTS in segment and segment != ANY_SEGMENTS:
            raise ConfigError(f"routing pattern {pattern!r}: '**' is a segment of its own", hint="use '*' within one")
    fixed = sum([segment != ANY_SEGMENTS for segment in segments])
    if fixed > SEGMENT_COUNT or (fixed < SEGMENT_COUNT and ANY_SEGMENTS not in segments):
        raise ConfigError(
            f"routing pattern {pattern!r} can match nothing: it has {fixed} segments, and a full name is "
            "tenant::package::workflow::task",
            hint=f"'**::{segments[-1]}' matches in every workflow" if fixed < SEGMENT_COUNT else "",
        )
    return [None if segment == ANY_SEGMENTS else segment.split("*") for segment in segments]


def _matches(pattern: Pattern, segments: list[str]) -> bool:
    """Match from the left; at a mismatch, let the last `**` take one segment more.

    Only the last one is ever reconsidered, so that the work is at most the product of both lengths.
    """
    p = s = taken = 0
    last: int | None = None
    while s < len(segments):
        if p < len(pattern) and pattern[p] is None:
            last, taken, p = p, s, p + 1
        elif p < len(pattern) and _matches_segment(pattern[p] or [], segments[s]):
            p, s = p + 1, s + 1
        elif last is not None:
            taken += 1
            p, s = last + 1, taken
        else:
            return False
    return all([one is None for one in pattern[p:]])


def _matches_segment(parts: list[str], segment: str) -> bool:
    """True if the parts stand in the segment in their order, the first at its beginning, the last at its end."""
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
