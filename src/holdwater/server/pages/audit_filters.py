"""Filters of the pages of the audit log, as they are in their URLs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, get_args
from urllib.parse import urlencode

from starlette.datastructures import QueryParams

from holdwater.model.time import Micros
from holdwater.server.control.audit import AuditFilter, Outcome
from holdwater.server.models.audit import MAX_AUTHOR_CHARS, MAX_VERB_CHARS
from holdwater.server.pages.runs.query import parse_since

_OUTCOMES: Final[dict[str, Outcome]] = {one: one for one in get_args(Outcome)}
MAX_SINCE_CHARS: Final = 64


@dataclass(frozen=True, slots=True)
class AuditFilters:
    """Filters of the log; empty ones let everything through.  `since`: an instant, or one of `WINDOW_SECONDS`."""

    verb: str = ""
    outcome: str = ""
    author: str = ""
    since: str = ""

    @classmethod
    def of(cls, params: QueryParams) -> AuditFilters:
        """Read the filters of a URL; characters that cannot be printed are left out."""

        def text_of(name: str, max_chars: int) -> str:
            return "".join(filter(str.isprintable, params.get(name, ""))).strip()[:max_chars]

        outcome = params.get("outcome", "")
        return cls(
            text_of("verb", MAX_VERB_CHARS),
            outcome if outcome in _OUTCOMES else "",
            text_of("author", MAX_AUTHOR_CHARS),
            text_of("since", MAX_SINCE_CHARS),
        )

    def url(self, **changes: str | int) -> str:
        """Return the query of the page with these filters changed; `changes` may have a `before`, too."""
        values = {**{name: getattr(self, name) for name in self.__slots__}, **changes}
        return f"?{urlencode({name: value for name, value in values.items() if value})}"

    @property
    def is_empty(self) -> bool:
        """True if nothing is left out."""
        return self == AuditFilters()

    def to_audit_filter(self, now: Micros) -> AuditFilter:
        """Create the filter of the log.  Raises ValueError, in words, for a `since` that is no instant."""
        since = parse_since(self.since, now)
        return AuditFilter(self.verb or None, _OUTCOMES.get(self.outcome), self.author or None, since)
