"""Child runs that bodies ask for and wait for.

A call is identified by the attempt it comes from, the workflow, a digest of the inputs, and its ordinal among equal
calls of that attempt; or by a key of the body's own in the place of digest and ordinal.  The identity is the
idempotency key of the child, so a call that is made again after a crash finds the run it made before, in whatever
order calls come.  An attempt is its node and the fence under which it was issued first, which no crash changes and
every failure does.

Waiting costs no thread and no polling: the loop follows each child and keeps the promise of the call.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from holdwater.errors import IdempotencyConflict, RunNotFound, StoreError, StoreUnavailable, TaskEnded
from holdwater.model import events as ev
from holdwater.model import input_digest
from holdwater.model.commands import Execute
from holdwater.model.journal import JournalEntry
from holdwater.model.ports import WorkflowDefinition
from holdwater.model.records import RunFilter, RunRow
from holdwater.runtime.active_run import ActiveRun
from holdwater.runtime.attempt import Attempt
from holdwater.runtime.future import Future

if TYPE_CHECKING:
    from holdwater.runtime.driver import Accepted, Driver

LOOK_US: Final = 100_000
"""how often a child that runs elsewhere is looked at, where the store does not tell"""
PAGE_RUNS: Final = 1000
SHOWN_CHARS: Final = 300
"""how much of a call's inputs an error shows"""


@dataclass(slots=True, eq=False)
class ChildCall:
    """What a body asks for: a run of `workflow` with `cells`.

    `present` makes what the body gets of a run that has ended.
    """

    attempt: Attempt
    workflow: str
    program: WorkflowDefinition
    cells: dict[str, Any]
    key: str | None
    present: Callable[[ActiveRun], Any]
    digest: str = ""
    identity: str = ""
    child_id: str = ""
    promise: Future[Any] = field(default_factory=Future)

    def __post_init__(self) -> None:
        self.digest = input_digest.digest_of_cells(self.cells)


class ChildCalls:
    """The driver's part of calls.  Only its thread is in here."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._waiting: dict[ChildCall, None] = {}
        """calls whose promises are not kept yet"""
        self._children: dict[str, dict[str, Attempt]] = {}
        """run -> child runs its bodies have started or found here, as long as they go on -> the attempt that did"""
        self.over: dict[str, list[Attempt]] = {}
        """run -> attempts that have ended, which is not on disk yet"""

    def begin(self, call: ChildCall) -> None:
        """Start the child, or find it, and follow it to its end."""
        self._waiting[call] = None
        self._guarded(call, lambda: self._identify(call))

    def _guarded(self, call: ChildCall, act: Callable[[], None]) -> None:
        """Whatever goes wrong in it is the call's, and nobody else's."""
        if call.promise.done:
            return
        try:
            act()
        except BaseException as error:  # noqa: BLE001
            self._reject(call, error)

    def _reject(self, call: ChildCall, error: BaseException) -> None:
        self._waiting.pop(call, None)
        call.promise.set_exception(error)

    # -- birth

    def _identify(self, call: ChildCall) -> None:
        attempt = call.attempt
        place = _place(attempt)
        if attempt.ordinals is None:
            attempt.ordinals = {}
            self._end_those_of_failed_attempts(attempt)
        asked: list[Any] = [attempt.run_id, place, call.workflow]
        if call.key is not None:
            asked += ["key", call.key]
        else:
            same = f"{call.workflow}\0{call.digest}"
            attempt.ordinals[same] = ordinal = attempt.ordinals.get(same, 0) + 1
            asked += [call.digest, ordinal]
        call.identity = f"{place}:" + hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:32]
        self._enter(call)

    def _enter(self, call: ChildCall) -> None:
        """Raises HoldwaterError if it cannot run here."""
        driver, attempt = self._driver, call.attempt
        parent = driver.runs.get(attempt.run_id)
        if parent is None or parent.attempts.get(attempt.node) is not attempt:
            raise TaskEnded(f"the attempt of task {attempt.name!r} of run {attempt.run_id} is over")
        driver.executor.check(call.program)
        head = driver.head(call.workflow, call.program, driver.clock.now())
        row = replace(head, parent_id=attempt.run_id, idempotency_key=call.identity, inputs_digest=call.digest)
        child = ActiveRun(
            row, driver.loader.compiled_plan(call.program.plan), call.program.style, call.program, born=True
        )
        child.decide(JournalEntry(ev.Started(call.cells)), driver.clock)
        birth: Future[Accepted] = Future()
        birth.add_done_callback(lambda _: self._guarded(call, lambda: self._born(call, birth)))
        driver.add_new_run(child, birth)

    def _born(self, call: ChildCall, birth: Future[Accepted]) -> None:
        try:
            begun = birth.value()
        except StoreUnavailable:  # not accepted, as far as anybody knows; if it was after all, it is found
            self._when_it_answers(call, lambda: self._enter(call))
            return
        call.child_id = begun.row.id
        if begun.row.inputs_digest != call.digest:
            self._refuse(call)
            return
        if begun.row.finished_at is None:
            self._note(call)
        self._follow(call, None if begun.live is None else begun.live.done)

    def _refuse(self, call: ChildCall) -> None:
        """Its key belongs to a call with other inputs.  Raises IdempotencyConflict."""
        try:
            first = self._driver.loader.load(call.child_id)
        except StoreUnavailable:
            self._driver.back_off()
            self._when_it_answers(call, lambda: self._refuse(call))
            return
        given = next((e.event.inputs for e in first.entries if isinstance(e.event, ev.Started)), {})
        raise IdempotencyConflict(
            f"task {call.attempt.name!r} of run {call.attempt.run_id} asked for {call.workflow!r} under the key "
            f"{call.key!r} twice, with different inputs: first {_shown(given)}, which is run {call.child_id}, "
            f"and now {_shown(call.cells)}",
            hint="give each call a key of its own, or none: then calls are told apart by their inputs",
        )

    # -- the way to its end

    def _follow(self, call: ChildCall, settled: Future[ActiveRun] | None) -> None:
        if settled is None:
            self._look(call)
        else:
            settled.add_done_callback(
                lambda p: self._driver.call_soon(lambda: self._guarded(call, lambda: self._told(call, p)))
            )

    def _told(self, call: ChildCall, settled: Future[ActiveRun]) -> None:
        """The child has ended, or rests, or nobody here knows any more."""
        try:
            child = settled.value()
        except StoreError:
            self._look(call)
        else:
            if child.machine.ended and not child.dirty:
                self._keep(call, child)
            else:
                self._look(call)

    def _look(self, call: ChildCall) -> None:
        """See what has become of the child.  One that rests is waited for: it is for a person to let it go on."""
        driver, run_id = self._driver, call.child_id
        live = driver.runs.get(run_id)
        if live is not None and not live.done.done:
            self._follow(call, live.done)
            return
        if driver.clock.now() < driver.blocked_until:
            self._when_it_answers(call, lambda: self._look(call))
            return
        news = driver.news_of(run_id) if driver.hears or live is not None else None  # what comes after this makes news
        try:
            head = driver.store.run(run_id)
            if head is None:
                raise RunNotFound(f"child run {run_id} is not in the store any more")
            if head.finished_at is not None:
                self._keep(call, driver.loader.load(run_id))
                return
        except StoreError:
            driver.back_off()
            self._when_it_answers(call, lambda: self._look(call))
            return
        if news is not None:
            news.add_done_callback(lambda _: driver.call_soon(lambda: self._guarded(call, lambda: self._look(call))))
        else:
            at = driver.clock.now() + LOOK_US
            driver.agenda.call_at(at, lambda: self._guarded(call, lambda: self._look(call)))

    def _when_it_answers(self, call: ChildCall, act: Callable[[], None]) -> None:
        """The store does not answer, which is waited out."""
        self._driver.agenda.call_at(self._driver.blocked_until, lambda: self._guarded(call, act))

    def _keep(self, call: ChildCall, child: ActiveRun) -> None:
        self._forget(call.attempt.run_id, call.child_id)
        result = call.present(child)
        self._waiting.pop(call, None)
        call.promise.set_result(result)

    def _forget(self, run_id: str, child: str) -> None:
        children = self._children.get(run_id)
        if children is not None:
            children.pop(child, None)
            if not children:
                del self._children[run_id]

    # -- children end with the attempt that has started them

    def _note(self, call: ChildCall) -> None:
        attempt, run_id = call.attempt, call.attempt.run_id
        parent = self._driver.runs.get(run_id)
        if parent is None:
            self._end_if_stray(run_id, call.child_id)
            return
        self._children.setdefault(run_id, {})[call.child_id] = attempt
        if parent.attempts.get(attempt.node) is not attempt:
            self.finished(attempt)
            if not parent.dirty:
                self.committed(parent)

    def _end_if_stray(self, run_id: str, child: str) -> None:
        try:
            head = self._driver.store.run(run_id)
        except StoreError:
            return  # found by a scan
        if head is None or head.finished_at is not None:
            self._driver.steering.end_child(child)

    def finished(self, attempt: Attempt) -> None:
        """An attempt has ended; when that is on disk, nobody will ask for what its children come to."""
        if attempt.ordinals is not None or attempt.turn != attempt.fence:
            self.over.setdefault(attempt.run_id, []).append(attempt)

    def committed(self, run: ActiveRun) -> None:
        """What was decided of a run is on disk, or was refused."""
        for attempt in self.over.pop(run.row.id, ()):
            command = run.machine.todo.get(attempt.node)
            if type(command) is Execute and command.turn == attempt.turn:
                continue  # another runner has taken it over, and finds the children again
            children = self._children.get(run.row.id, {})
            for child in [child for child, by in children.items() if by is attempt]:
                self._end(run.row.id, child)
            if attempt.turn != attempt.fence:  # the processes that died in it may have started others
                self._end_stored(run.row.id, _place(attempt).__eq__)

    def ended(self, run: ActiveRun) -> None:
        """A run has ended."""
        self.over.pop(run.row.id, None)
        for child in self._children.pop(run.row.id, ()):
            self._driver.steering.end_child(child)
        if run.machine.crashes:  # whoever died may have started some
            self._end_stored(run.row.id, lambda _: True)

    def _end_those_of_failed_attempts(self, attempt: Attempt) -> None:
        """Whoever recorded that they had failed may have died before it could end their children."""
        run = self._driver.runs.get(attempt.run_id)
        if attempt.number > 1 and run is not None and run.inherited:
            own, node = _place(attempt), f"child:{attempt.node}."
            self._end_stored(attempt.run_id, lambda place: place.startswith(node) and place != own)

    def _end_stored(self, run_id: str, which: Callable[[str], bool]) -> None:
        """End children of a run that nobody here may know of, by their places."""
        try:
            for status in ("running", "paused"):
                for row in self._unfinished(run_id, status):
                    place = (row.idempotency_key or "").rpartition(":")[0]
                    if place.startswith("child:") and which(place):
                        self._end(run_id, row.id)
        except StoreError:
            pass  # the scans of runners find children of runs that have ended

    def _unfinished(self, run_id: str, status: str) -> Iterator[RunRow]:
        before: str | None = None
        while True:
            rows = self._driver.store.runs(RunFilter(None, status, PAGE_RUNS, before, run_id))
            yield from rows
            if len(rows) < PAGE_RUNS:
                return
            before = rows[-1].id

    def _end(self, run_id: str, child: str) -> None:
        self._forget(run_id, child)
        self._driver.steering.end_child(child, "the attempt that started it is over")

    def close(self, error: BaseException) -> None:
        """Nothing more is heard of any child."""
        for call in list(self._waiting):
            self._reject(call, error)


def _place(attempt: Attempt) -> str:
    """The attempt, in the keys of its children."""
    return f"child:{attempt.node}.{attempt.turn}"


def _shown(cells: Mapping[str, Any]) -> str:
    """Inputs, for people."""
    texts = []
    for name, cell in cells.items():
        text: str = cell if isinstance(cell, str) else cell.text
        tree = json.loads(text)
        given = tree.get("set", tree.get("params")) if isinstance(tree, dict) else None
        texts.append(text if given is None else json.dumps(given))
        if given is None:
            texts[-1] = f"{name}={texts[-1]}"
    text = ", ".join(texts) or "nothing"
    return text if len(text) <= SHOWN_CHARS else f"{text[:SHOWN_CHARS]}..."
