"""Filters of the list of runs, as they are in its URL."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final, Literal
from urllib.parse import urlencode

from starlette.datastructures import QueryParams

from holdwater.model.provenance import ORIGINS
from holdwater.model.time import Micros, add_seconds, from_rfc3339

STATUSES: Final = ("running", "paused", "failed", "completed", "cancelled")
"""statuses in the order in which they matter"""
WINDOW_SECONDS: Final = {"1h": 3_600, "24h": 86_400, "7d": 604_800, "30d": 2_592_000}
WINDOW_NAMES: Final = {"1h": "last hour", "24h": "last 24 hours", "7d": "last 7 days", "30d": "last 30 days"}
MAX_TEXT_CHARACTERS: Final = 200
MAX_LABELS_CHARACTERS: Final = 2_000
MAX_VALUES: Final = 16
"""statuses or labels in one URL"""

EVERYTHING: Final = ("all", "1")
"""the parameter of a URL without filters: without any, the list begins with the default view of the browser"""

TimeOf = Literal["started", "ended"]


@dataclass(frozen=True, slots=True)
class ActiveFilter:
    """A filter that is in force.  `url`: of the page without it."""

    name: str
    text: str
    url: str


@dataclass(frozen=True, slots=True)
class RunsQuery:
    """Filters of the list; empty ones let everything through.

    `status`: statuses, all of them or none with `!` before it, which excludes.  `workflow`: a name with `*` and `?`,
    excluded with `!` before it.  `label`: `KEY` or `KEY=VALUE`.  `since`, `until`: an instant, or for `since` one of
    `WINDOW_SECONDS`; `time`: of the start or the end of a run.  `text`: in an id, a key or an error.
    `children`: also runs that other runs have started.  `release`: runs that are pinned to it.
    """

    status: tuple[str, ...] = ()
    workflow: str = ""
    label: tuple[str, ...] = ()
    origin: str = ""
    time: TimeOf = "started"
    since: str = ""
    until: str = ""
    text: str = ""
    children: bool = False
    release: str = ""

    @classmethod
    def of(cls, params: QueryParams) -> RunsQuery:
        """Read the filters of a URL; what has no meaning is left out."""

        def text_of(name: str) -> str:
            return params.get(name, "").strip()[:MAX_TEXT_CHARACTERS]

        statuses = [one for one in params.getlist("status") if one.removeprefix("!") in STATUSES]
        labels = [one.strip() for text in params.getlist("label") for one in text[:MAX_LABELS_CHARACTERS].split(", ")]
        return cls(
            tuple(dict.fromkeys(statuses))[:MAX_VALUES],
            text_of("workflow"),
            tuple(dict.fromkeys(filter(None, labels)))[:MAX_VALUES],
            origin if (origin := text_of("origin")) in ORIGINS else "",
            "ended" if params.get("time") == "ended" else "started",
            text_of("since"),
            text_of("until"),
            text_of("text"),
            params.get("children") in ("1", "on", "true"),
            text_of("release"),
        )

    def pairs(self) -> list[tuple[str, str]]:
        """Return the parameters of its URL, without those that say nothing."""
        found = [("status", one) for one in self.status] + [("label", one) for one in self.label]
        found += [
            (name, value)
            for name in ("workflow", "release", "origin", "since", "until", "text")
            if (value := getattr(self, name))
        ]
        if self.time == "ended" and (self.since or self.until):
            found.append(("time", "ended"))
        return [*found, ("children", "1")] if self.children else found

    def url(self, **changes: Any) -> str:
        """Return the query of the page with these filters changed; `changes` may have a `cursor`, too."""
        places = {name: changes.pop(name) for name in ("cursor",) if name in changes}
        pairs = [*replace(self, **changes).pairs(), *places.items()]
        return f"?{urlencode(pairs or [EVERYTHING])}"

    @property
    def is_empty(self) -> bool:
        """True if nothing is left out but child runs."""
        return not self.pairs()

    def active(self) -> Iterator[ActiveFilter]:
        """Yield the filters that are in force, each with the URL of the page without it."""
        for one in self.status:
            word = f"not {one[1:]}" if one.startswith("!") else one
            yield ActiveFilter("status", word, self.url(status=tuple(s for s in self.status if s != one)))
        if self.workflow:
            yield ActiveFilter("workflow", self.workflow, self.url(workflow=""))
        for one in self.label:
            yield ActiveFilter("label", one, self.url(label=tuple(other for other in self.label if other != one)))
        if self.release:
            yield ActiveFilter("release", self.release, self.url(release=""))
        if self.origin:
            yield ActiveFilter("origin", self.origin, self.url(origin=""))
        if self.since or self.until:
            text = WINDOW_NAMES.get(self.since, " ".join(filter(None, [self.since, "to", self.until or "now"])))
            yield ActiveFilter(self.time, text, self.url(since="", until=""))
        if self.text:
            yield ActiveFilter("text", self.text, self.url(text=""))

    def with_status(self, status: str) -> str:
        """Return the URL of the page with this status only, or with all if it is the only one already."""
        return self.url(status=() if self.status == (status,) else (status,))

    def without_status(self, status: str) -> str:
        """Return the URL of the page without the runs of a status."""
        excluded = tuple(one for one in self.status if one.startswith("!") and one != f"!{status}")
        return self.url(status=(*excluded, f"!{status}"))

    def window(self, now: Micros) -> tuple[Micros | None, Micros | None]:
        """Return the instants of the window, None where it is open.  Raises ValueError, in words."""
        return parse_since(self.since, now), _parse_instant(self.until)


def parse_since(text: str, now: Micros) -> Micros | None:
    """Parse one of `WINDOW_SECONDS` or an instant, "" as None.  Raises ValueError, in words."""
    return add_seconds(now, -WINDOW_SECONDS[text]) if text in WINDOW_SECONDS else _parse_instant(text)


def _parse_instant(text: str) -> Micros | None:
    if not text:
        return None
    try:
        return from_rfc3339(text)
    except (ValueError, OverflowError, OSError):
        raise ValueError(f"{text!r} is no instant: write 2026-11-21T05:00:00Z, or 1h, 24h, 7d, 30d") from None
