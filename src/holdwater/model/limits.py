"""Concurrency limits: how many task functions may run at once, across all runners of a database.

A limit has a key.  `NAME`: tasks that name it themselves (`@task(limit="NAME")`).  `workflow:NAME`: all tasks of a
workflow, whatever its release, those of its maps and nested graphs included (`NAME/...`).  `label:KEY=VALUE`: all tasks
of runs with that label.  A task counts from the claim of its attempt to the end of its lease, so nothing has to be
given back, and nothing can be forgotten.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from holdwater.errors import InvalidArgument
from holdwater.model import validation
from holdwater.model.provenance import check_label_key, check_label_value
from holdwater.model.records import WorkRow
from holdwater.model.time import UNSET, Micros

MAX_RUNNING: Final = 1_000_000
"""of a limit"""
MAX_LIMITS: Final = 10_000
"""limits of one database"""
MAX_NAME_CHARS: Final = 100
"""of a limit that tasks name"""
WORKFLOW_PREFIX: Final = "workflow:"
LABEL_PREFIX: Final = "label:"
_NAME: Final = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{MAX_NAME_CHARS - 1}}}", re.ASCII)
_HINT: Final = 'write NAME as in @task(limit="NAME"), workflow:NAME or label:KEY=VALUE'


@dataclass(frozen=True, slots=True)
class ConcurrencyLimit:
    """`max_running`: tasks that hold leases at once; 0: none begin.  `set_by`: its author, as `cli:alice`."""

    key: str
    max_running: int
    set_by: str = ""
    set_at: Micros = UNSET


@dataclass(frozen=True, slots=True)
class LimitedWork:
    """Tasks with the same keys: how many are leased, and how many wait."""

    limit_keys: str
    held_count: int
    waiting_count: int


def check_limit_name(name: Any) -> str:
    """Check the name of a limit that a task gives.  Raises InvalidArgument."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidArgument(
            f"{validation.shorten_repr(name)} is no name of a limit",
            hint=f"a name has 1 to {MAX_NAME_CHARS} characters of A-Z a-z 0-9 . _ -, and begins with a letter or digit",
        )
    return name


def check_limit_key(key: Any) -> str:
    """Check the key of a limit.  Raises InvalidArgument."""
    if isinstance(key, str) and key.startswith(WORKFLOW_PREFIX):
        name = key.removeprefix(WORKFLOW_PREFIX)
        text = validation.check_text("the workflow of a limit", name, max_bytes=validation.MAX_NAME_BYTES)
        if not text.isprintable():
            raise InvalidArgument(f"the workflow of a limit has a control character: {validation.shorten_repr(text)}")
        return key
    if isinstance(key, str) and key.startswith(LABEL_PREFIX):
        label, equals, value = key.removeprefix(LABEL_PREFIX).partition("=")
        if not equals:
            raise InvalidArgument(f"{validation.shorten_repr(key)} has no value of the label", hint=_HINT)
        check_label_value(check_label_key(label), value)
        return key
    try:
        return check_limit_name(key)
    except InvalidArgument as error:
        raise InvalidArgument(f"{validation.shorten_repr(key)} is no key of a limit", hint=_HINT) from error


def check_max_running(max_running: Any) -> int:
    """Check the number of a limit, 0 to 1,000,000.  Raises InvalidArgument."""
    if type(max_running) is not int or not 0 <= max_running <= MAX_RUNNING:
        raise InvalidArgument(
            f"a limit is a whole number from 0 to {MAX_RUNNING:,}, not {validation.shorten_repr(max_running)}"
        )
    return max_running


# -- the keys of a task: one a line, as work rows have them


def join_keys(keys: Iterable[str]) -> str:
    return "\n".join(sorted(set(keys)))


def split_keys(limit_keys: str) -> tuple[str, ...]:
    return tuple(limit_keys.split("\n")) if limit_keys else ()


def keys_of_task(
    name: str | None, workflow: str, labels: Mapping[str, str], broad_keys: Collection[str]
) -> tuple[str, ...]:
    """Return the keys a task counts towards.

    `name`: given by the task itself, whether there is such a limit or not.  `broad_keys`: the limits on workflows and
    labels that there are.
    """
    found = [] if name is None else [name]
    if broad_keys:
        parts = workflow.split("/")
        of_run = [WORKFLOW_PREFIX + "/".join(parts[:count]) for count in range(1, len(parts) + 1)]
        of_run += [f"{LABEL_PREFIX}{key}={value}" for key, value in labels.items()]
        found += [key for key in of_run if key in broad_keys]
    return tuple(found)


# -- claims within limits


@dataclass(slots=True)
class LimitState:
    """The limits of a database at the moment of a claim, in its transaction.

    `limits`: key -> number.  `held`: set of keys -> tasks that are leased.  `waiting`: sets of keys of tasks that wait.
    """

    limits: dict[str, int] = field(default_factory=dict)
    held: dict[str, int] = field(default_factory=dict)
    waiting: list[str] = field(default_factory=list)

    def free_places(self) -> dict[str, int]:
        """Return the places that are free by key; below 0 after a limit was lowered."""
        free = dict(self.limits)
        for limit_keys, count in self.held.items():
            for key in split_keys(limit_keys):
                if key in free:
                    free[key] -= count
        return free

    def room(self, at_most: int) -> dict[str, int]:
        """Return how many of the first tasks of each waiting set are looked at for a claim of so many.

        Of a set that counts towards several limits and cannot begin, the first is looked at, too: places in the limits
        that are not full are kept for it.
        """
        free = self.free_places()
        found: dict[str, int] = {}
        for limit_keys in self.waiting:
            limited = [free[key] for key in split_keys(limit_keys) if key in free]
            count = min([at_most, *limited])
            if count > 0:
                found[limit_keys] = count
            elif len(limited) > 1:
                found[limit_keys] = 1
        return found

    def choose(self, candidates: Iterable[WorkRow], at_most: int) -> list[WorkRow]:
        """Choose the tasks that may begin, in the order they are given: the oldest first.

        A task that cannot begin keeps a place in each of its limits, so that younger ones with fewer limits do not pass
        it for ever.
        """
        free = self.free_places()
        chosen: list[WorkRow] = []
        for row in candidates:
            if len(chosen) >= at_most:
                break
            keys = [key for key in split_keys(row.limit_keys) if key in free]
            if all([free[key] > 0 for key in keys]):
                chosen.append(row)
            for key in keys:
                free[key] -= 1
        return chosen
