"""The URL of a run's page: everything on screen is in it, so that reload, back and a pasted link give the same view."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final, Literal, get_args
from urllib.parse import urlencode

Tab = Literal["graph", "timeline", "tasks", "events", "context", "doctor"]
TABS: Final[tuple[Tab, ...]] = get_args(Tab)
DEFAULT_TAB: Final[Tab] = "graph"
_OF_ALL_TABS: Final = ("tab", "node")


@dataclass(frozen=True, slots=True)
class PageLinks:
    """Links within the page of a run.

    `path`: of the page.  `options`: parameters of the shown tab, by name; they are kept in links within it.
    """

    path: str
    tab: Tab
    node: str | None = None
    options: dict[str, str] = field(default_factory=dict)

    @property
    def here(self) -> str:
        """Return the URL of this view."""
        return self._url(self.tab, self.node, self.options)

    def to_tab(self, tab: Tab) -> str:
        """Return the URL of another tab, with the same node selected."""
        return self._url(tab, self.node, self.options if tab == self.tab else {})

    def to_node(self, node: str | None) -> str:
        """Return the URL of this view with another node selected; None: without a selected node."""
        return self._url(self.tab, node, self.options)

    def with_options(self, **changes: object) -> str:
        """Return the URL of this tab with other options; None and "" drop one."""
        changed = {**self.options, **{name: "" if value is None else str(value) for name, value in changes.items()}}
        return self._url(self.tab, self.node, changed)

    def with_full_layout(self) -> PageLinks:
        """Return the links of a graph that is laid out however long that takes."""
        return replace(self, options={**self.options, "full": "1"})

    def hidden_fields(self, *left_out: str) -> list[tuple[str, str]]:
        """List the parameters of this view for a form that replaces some of them."""
        return [
            (name, value) for name, value in self._parameters(self.tab, self.node, self.options) if name not in left_out
        ]

    def value_url(self, source: str, name: str, node: str | None = None) -> str:
        """Return the URL of the page of one value.  `source`: now, start, input, output or question."""
        named = [("of", source), ("name", name), *([] if node is None else [("node", node)])]
        return f"{self.path}/value?{urlencode(named)}"

    def log_url(self, node: str) -> str:
        """Return the URL of the log of a node."""
        return f"{self.path}/log?{urlencode({'node': node})}"

    def act_url(self, verb: str, **options: str) -> str:
        """Return the URL of the form of an act."""
        query = urlencode(options)
        return f"{self.path}/{verb}?{query}" if query else f"{self.path}/{verb}"

    @property
    def event_query(self) -> str:
        """Return the query of all events that match the filter of the events tab."""
        kept = {name: value for name, value in self.options.items() if name in ("group", "task", "q")}
        return f"?{urlencode(kept)}" if kept else ""

    def at_tab(self, tab: Tab, **options: object) -> str:
        """Return the URL of a tab with these options, and the same node."""
        return replace(self, tab=tab, options={}).with_options(**options)

    def _url(self, tab: Tab, node: str | None, options: dict[str, str]) -> str:
        query = urlencode(self._parameters(tab, node, options))
        return f"{self.path}?{query}" if query else self.path

    @staticmethod
    def _parameters(tab: Tab, node: str | None, options: dict[str, str]) -> list[tuple[str, str]]:
        shown: list[tuple[str, str]] = [] if tab == DEFAULT_TAB else [("tab", tab)]
        if node is not None:
            shown.append(("node", node))
        return shown + [(name, value) for name, value in options.items() if value and name not in _OF_ALL_TABS]
