"""The events of a recorded run as processors hear them: the classes of `events.types`, made from those of the journal.

Values of inputs and outputs are not among them.  Ids of spans follow from the run, the node and the attempt, so that
every process gives a span the same one.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final, TypeVar

from holdwater.events import run_events as journal
from holdwater.events.types import (
    BaseEvent,
    InterruptEvent,
    NodeEndEvent,
    NodeErrorEvent,
    NodeStartEvent,
    RouteDecisionEvent,
    RunEndEvent,
    RunStartEvent,
)
from holdwater.model.child_ids import child_ref
from holdwater.model.error_report import type_name
from holdwater.model.records import RunRow
from holdwater.model.time import Micros

E = TypeVar("E", bound=BaseEvent)
LOST: Final = "its process is gone"


class RecordedError(Exception):
    """An error as the journal has it: a text, and the traceback as text.  Its class is named as the error's was."""

    traceback: str = ""

    @classmethod
    def of(cls, kind: str, text: str, traceback: str = "") -> RecordedError:
        """Create an instance of the subclass of this name."""
        name = kind.rpartition(".")[2]
        made: RecordedError = type(name or cls.__name__, (cls,), {"__module__": cls.__module__})(
            text.removeprefix(f"{kind}: ")
        )
        made.traceback = traceback
        return made


def run_span_id(run_id: str) -> str:
    """Return the span id of a run, 16 hex digits."""
    return _span_id(run_id)


def node_span_id(run_id: str, node: str, fence: int) -> str:
    """Return the span id of an attempt, shared by its calls after a wait or after child runs."""
    return _span_id(f"{run_id}\0{node}\0{fence}")


def _span_id(text: str) -> str:
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=8).hexdigest()


class RunTranslator:
    """One run, from where this process has it on.

    A node's span is open from its start to its end; while it waits, or its child runs go on, it stays open.
    """

    def __init__(self, row: RunRow) -> None:
        child = child_ref(row)
        parent: str | None = None
        if child is not None:
            parent = node_span_id(*child[:3])
        elif row.parent_id is not None:
            parent = run_span_id(row.parent_id)
        self._common: dict[str, Any] = {
            "run_id": row.id,
            "workflow_id": row.id,
            "graph_name": row.workflow,
            "parent_span_id": parent,
            "item_index": None if child is None else child[3],
        }
        self._span_id = run_span_id(row.id)
        self._node_count: int | None = None
        self._started_at: Micros | None = None
        """None: the run is not open here"""
        self._open: dict[str, str] = {}
        """node -> its span"""
        self._pausing = False
        self._errors: dict[str, BaseException] = {}

    @property
    def is_open(self) -> bool:
        """The run was started and not ended."""
        return self._started_at is not None

    def forget_open(self) -> None:
        """Leave what began elsewhere: this process has told no start of it."""
        self._started_at = None
        self._open.clear()

    def span_of(self, node: str) -> str | None:
        """Return the open span of a node."""
        return self._open.get(node)

    def start_node(self, node: str, fence: int, at: Micros) -> list[BaseEvent]:
        """Open the node's span, unless it is open."""
        if node in self._open:
            return []
        self._open[node] = node_span_id(self._common["run_id"], node, fence)
        return [*self._ensure_open(at), self._make(NodeStartEvent, at, self._open[node], node_name=node)]

    def translate(self, event: journal.RunEvent, error: BaseException | None = None) -> list[BaseEvent]:
        """`error`: what a failed attempt raised, if that was in this process."""
        at = event.at
        match event:
            case journal.RunStarted():
                self._node_count = event.node_count
                return [] if self.is_open else self._start_run(at, is_resume=False)
            case journal.RunResumed():
                self._pausing = False
                return self._ensure_open(at)
            case journal.RunPaused():
                self._pausing = True
                return self._end_pausing(at)
            case journal.RunEnded():
                return [*self._ensure_open(at), *self._end_run(event)]
            case journal.NodeStarted(inherited=False, fence=int(fence)):
                return self.start_node(event.node, fence, at)
            case journal.AttemptEnded(inherited=False):
                return self._end_attempt(event, error)
            case journal.NodeRouteDecided() if event.node in self._open:
                decision: Any = event.targets[0] if len(event.targets) == 1 else list(event.targets)
                span = self._open[event.node]
                return [
                    self._make(RouteDecisionEvent, at, span, node_span_id=span, gate_name=event.node, decision=decision)
                ]
            case journal.NodeAttemptLost() if event.node in self._open:
                return self._fail_node(event, RecordedError.of("WorkerLost", LOST), will_retry=True)
        return []

    # -- nodes

    def _end_attempt(self, event: journal.AttemptEnded, error: BaseException | None) -> list[BaseEvent]:
        match event:
            case journal.NodeSucceeded() | journal.NodeSkipped(started_at=int()):
                return self._complete_node(event)
            case journal.NodeFailed():
                found = RecordedError.of(event.category, event.error, event.traceback) if error is None else error
                self._errors[event.node] = found
                return self._fail_node(event, found, will_retry=event.retry_at is not None)
            case journal.NodeInputRequested():
                start = self.start_node(event.node, event.fence or 0, event.at)
                span = self._open.pop(event.node)
                name = event.answer_name
                return [
                    *start,
                    self._make(InterruptEvent, event.at, span, interrupt_name=event.node, response_param=name),
                ]
        return []

    def _complete_node(self, event: journal.AttemptEnded) -> list[BaseEvent]:
        """Build the end of a node, and its start if it has no function (an answer, a timer)."""
        start = self.start_node(event.node, event.fence or 0, event.at)
        span = self._open.pop(event.node)
        duration_ms = event.duration_us / 1000
        end = self._make(NodeEndEvent, event.at, span, node_name=event.node, duration_ms=duration_ms)
        return [*start, end, *self._end_pausing(event.at)]

    def _fail_node(self, event: journal.NodeEvent, error: BaseException, *, will_retry: bool) -> list[BaseEvent]:
        start = self.start_node(event.node, event.fence or 0, event.at)
        span = self._open.pop(event.node)
        duration_ms = event.duration_us / 1000 if isinstance(event, journal.AttemptEnded) else None
        failed = self._make(
            NodeErrorEvent,
            event.at,
            span,
            node_name=event.node,
            error=error,
            error_type=type_name(error),
            duration_ms=duration_ms,
            will_retry=will_retry,
        )
        return [*start, failed, *self._end_pausing(event.at)]

    # -- the run

    def _start_run(self, at: Micros, *, is_resume: bool) -> list[BaseEvent]:
        self._started_at = at
        return [self._make(RunStartEvent, at, self._span_id, node_count=self._node_count, is_resume=is_resume)]

    def _ensure_open(self, at: Micros) -> list[BaseEvent]:
        return [] if self.is_open else self._start_run(at, is_resume=True)

    def _end_pausing(self, at: Micros) -> list[BaseEvent]:
        """Build the end of a paused run, as soon as no function of it runs."""
        if not self._pausing or self._open or self._started_at is None:
            return []
        self._pausing = False
        return [self._close_run(at, "paused", 0, None)]

    def _end_run(self, event: journal.RunEnded) -> list[BaseEvent]:
        error: BaseException | None = None
        if isinstance(event, journal.RunFailed):
            error = self._errors.get(event.node or "") or RecordedError.of(event.category or "", event.error)
        self._pausing = False
        self._errors.clear()
        return [self._close_run(event.at, event.status, event.supersteps, error)]

    def _close_run(self, at: Micros, status: str, iterations: int, error: BaseException | None) -> RunEndEvent:
        started_at, self._started_at = self._started_at, None
        self._open.clear()
        duration_ms = 0.0 if started_at is None else (at - started_at) / 1000
        return self._make(
            RunEndEvent,
            at,
            self._span_id,
            status=status,
            iterations=iterations,
            error=error,
            duration_ms=duration_ms,
        )

    def _make(self, kind: type[E], at: Micros, span_id: str, **fields: Any) -> E:
        return kind(**self._common, span_id=span_id, timestamp=at / 1e6, **fields)
