"""The checker: whether a store keeps its promises, judged from its rows and journals alone.

No code of a user runs here, nothing is written, and no value is decoded: each run is folded by a machine of its own and
compared with its head and with its rows in the queue.  One run at a time, so that memory does not grow with the store.

A retry takes back what failed, or what has read inputs that are new, and what came after it, and with it the results
that may be recorded again: which these are is counted from the journal and the plan, apart from the machine.  A fork is
born with results of another run: each must stand in the journal of that run, as long as it is there.  Children are runs
like any other; what they and their parents must know of each other is compared.

The promises, by their numbers:

    I2  a firing of a node has at most one recorded result
    I4  work has at most one owner, and the fence the machine issued
    I5  an ended run stays as it is unless it is retried, and a head says what its journal says
    I6  nothing is lost: what is outstanding is in the queue, for runners of the run's release, and the other way round
    I9  a journal has no gaps, and a cause is journalled before its effect begins
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from holdwater.errors import IllegalEvent, StoreError, WorkflowError
from holdwater.kernel import CompiledPlan, Machine, compile_plan
from holdwater.kernel.states import WAITING
from holdwater.model import events as ev
from holdwater.model import journal as journal_format
from holdwater.model.claim_keys import claim_key
from holdwater.model.commands import AwaitChildren, Evaluate, Execute, StartTimer
from holdwater.model.journal import JournalEntry
from holdwater.model.plan import Plan
from holdwater.model.ports.store import Store
from holdwater.model.records import JournalRow, RunRow, WorkRow
from holdwater.model.statuses import FINAL_STATUSES, RunStatus
from holdwater.model.time import UNSET, Micros
from holdwater.runs.verify import forks, parents
from holdwater.runs.verify.forks import MALFORMED_DATA_ERRORS
from holdwater.runs.verify.node_labels import node_label, unfinished_predecessors

INVARIANTS: Final = ("I2", "I4", "I5", "I6", "I9")
MAX_VIOLATIONS_PER_RUN: Final = 20
"""bound of reported violations: one damaged entry may invalidate every later one"""
MAX_READ_ATTEMPTS: Final = 10
"""attempts to read a run that changes while it is read"""
MAX_CACHED_PLANS: Final = 64


@dataclass(frozen=True, slots=True)
class Violation:
    """A promise that a run breaks, and how."""

    invariant: str
    run_id: str
    message: str

    def __str__(self) -> str:
        return f"{self.invariant} run {self.run_id}: {self.message}"


@dataclass(slots=True)
class CheckCounts:
    """Counts so far.  `unstable`: runs that changed during every attempt to read them, and were not checked."""

    runs: int = 0
    entries: int = 0
    work: int = 0
    violations: int = 0
    unstable: int = 0


class StoreChecker:
    """Checks a store, which others may be using meanwhile."""

    def __init__(self, store: Store, now: Callable[[], Micros]) -> None:
        """`now`: the current instant, microseconds since the epoch; a lease is judged by it."""
        self.counts = CheckCounts()
        self._store, self._now = store, now
        self._compiled_plans: OrderedDict[str, CompiledPlan | str] = OrderedDict()

    def find_violations(self) -> Iterator[Violation]:
        """Every violation, run by run, oldest run first.  Raises StoreUnavailable."""
        for row in self._store.iter_runs():
            found = self._check_run(row)
            self.counts.violations += len(found)
            yield from found[:MAX_VIOLATIONS_PER_RUN]
            if len(found) > MAX_VIOLATIONS_PER_RUN:
                more = len(found) - MAX_VIOLATIONS_PER_RUN
                yield Violation(found[-1].invariant, row.id, f"and {more} more violations of this run")

    def _check_run(self, listed_row: RunRow) -> list[Violation]:
        """Check a run as it is between two commits of the runner that executes it."""
        self.counts.runs += 1
        row: RunRow | None = listed_row
        for _ in range(MAX_READ_ATTEMPTS):
            if row is None:
                return []
            look = _RunCheck(row, self._now(), self._source_facts(row.forked_from))
            journal = self._store.read_journal(row.id)
            work = self._store.work_of_run(row.id)
            machine = look.check_run(self._get_compiled_plan(row.structure), journal, work)
            look.check_parent_and_children(machine, work, self._store.get_run)
            again = self._store.get_run(row.id)
            # Journal, queue and head were read one after the other.  Equal heads around them prove that they belong
            # together, and without a violation there is nothing to prove.
            if not look.violations or again == row:
                self.counts.entries += look.seq
                self.counts.work += len(work)
                return look.violations
            row = again
        self.counts.unstable += 1
        return []

    def _source_facts(self, run_id: str | None) -> frozenset[str] | None:
        """Return the facts of a run that a fork may inherit; None if the run does not exist (any more)."""
        if run_id is None or self._store.get_run(run_id) is None:
            return None
        return forks.inheritable_facts(self._store.read_journal(run_id))

    def _get_compiled_plan(self, structure: str) -> CompiledPlan | str:
        """Return a compiled plan, or the reason it cannot be compiled."""
        compiled_plan = self._compiled_plans.get(structure)
        if compiled_plan is None:
            compiled_plan = self._compiled_plans[structure] = self._load_compiled_plan(structure)
            if len(self._compiled_plans) > MAX_CACHED_PLANS:
                self._compiled_plans.popitem(last=False)
        else:
            self._compiled_plans.move_to_end(structure)
        return compiled_plan

    def _load_compiled_plan(self, structure: str) -> CompiledPlan | str:
        try:
            data = self._store.get_plan(structure)
            return f"its plan {structure} is not in the store" if data is None else compile_plan(Plan.from_data(data))
        except (StoreError, WorkflowError, *MALFORMED_DATA_ERRORS) as error:
            return f"its plan {structure} cannot be read: {error}"


class _RunCheck:
    """One check of a run."""

    def __init__(self, row: RunRow, now: Micros, source_facts: frozenset[str] | None) -> None:
        """Prepare a check.  `source_facts`: facts of the run it was forked from, None if unknown."""
        self.row, self.now, self.source_facts = row, now, source_facts
        self.violations: list[Violation] = []
        self.seq = 0
        self._last_at = UNSET
        self._moved_to: str | None = None
        """release of the latest retry that moved the run"""
        self._result_entries: dict[int, int] = {}
        self._failed_nodes: set[int] = set()
        """nodes whose latest attempt was the last one, and failed"""
        self._latest_issues: dict[int, tuple[int, int, Micros]] = {}
        """node -> fence of its latest issue, and the entry (its number, and when it was journalled) that led to it"""

    def check_run(
        self, compiled_plan: CompiledPlan | str, journal: Sequence[JournalRow], work: Sequence[WorkRow]
    ) -> Machine | None:
        """Check journal, run row and work; returns the state by its journal, None if that is unknown."""
        if isinstance(compiled_plan, str):
            self._add_violation("I9", compiled_plan)
            return None
        machine = Machine(compiled_plan)
        whole = self._replay_journal(machine, journal)
        if self.seq != self.row.seq:
            self._add_violation("I9", f"its head counts {self.row.seq} journal entries, the journal has {self.seq}")
        if not whole:
            return None
        self._check_status(machine)
        self._check_work(machine, work)
        return machine

    def check_parent_and_children(
        self, machine: Machine | None, work: Sequence[WorkRow], find_run_row: parents.FindRunRow
    ) -> None:
        """Check the run against its parent and children.  `find_run_row`: finds the row of another run."""
        for text in parents.check_parent(self.row, find_run_row, self.now):
            self._add_violation("I6", text)
        if machine is not None and machine.fan_outs:
            tended = [row for row in work if row.kind == "children" and row.owner and row.lease_until > self.now]
            is_tended = bool(tended) and self.row.status == RunStatus.RUNNING
            for text in parents.check_children(self.row, machine, find_run_row, self.now, is_supervised=is_tended):
                self._add_violation("I6", text)

    def _add_violation(self, invariant: str, message: str) -> None:
        self.violations.append(Violation(invariant, self.row.id, message))

    # -- the journal

    def _replay_journal(self, machine: Machine, journal: Sequence[JournalRow]) -> bool:
        """Apply what the journal holds; False if its end state is unknown."""
        for row in journal:
            if row.seq != self.seq + 1:
                self._add_violation("I9", f"entry {row.seq} follows entry {self.seq} in the journal")
                self.seq = row.seq - 1
            if row.at < self._last_at:
                self._add_violation(
                    "I9", f"entry {row.seq} was journalled {self._last_at - row.at} us before the one ahead of it"
                )
            self._last_at = max(self._last_at, row.at)
            try:
                trees = json.loads(row.entries)
            except ValueError:
                trees = None
            if not isinstance(trees, list) or not trees:
                self._add_violation("I9", f"the journal row of entry {row.seq} is no list of entries")
                return False
            acceptance = row.seq == 1 and self.row.forked_from is not None
            for tree in trees:
                self.seq += 1
                try:
                    if acceptance:
                        self._check_inherited(machine, tree)
                    self._apply_entry(machine, journal_format.decode_entry(tree, _keep_encoded, row.at), acceptance)
                except IllegalEvent:
                    continue  # reported; the machine is as it was before
                except (StoreError, *MALFORMED_DATA_ERRORS) as error:
                    self._add_violation("I9", f"entry {self.seq} cannot be read: {error}")
                    return False
        return True

    def _apply_entry(self, machine: Machine, entry: JournalEntry, is_inherited: bool) -> None:
        event = entry.event
        if not is_inherited:  # what a fork takes over began long before it was born
            self._check_start_time(machine, entry)
        if type(event) is ev.Succeeded:
            self._check_single_result(machine, event)
            self._failed_nodes.discard(event.node)
        elif type(event) is ev.Failed and event.retry_at is None:
            self._failed_nodes.add(event.node)
        elif type(event) is ev.Resumed:
            self._allow_repeated_results(machine, event)
            if event.release is not None:
                self._moved_to = event.release
        try:
            machine.apply(event)
        except IllegalEvent:
            self._report_illegal_event(machine, event)
            raise
        for command in machine.take_commands():
            if type(command) is Execute:
                self._latest_issues[command.node] = (command.fence, self.seq, entry.recorded_at)

    def _check_start_time(self, machine: Machine, entry: JournalEntry) -> None:
        """Check that a function started after its predecessors were committed: a crash would change its past."""
        event = entry.event
        if not entry.started_at or not isinstance(event, _ATTEMPT_END_EVENTS):
            return
        fence, seq, at = self._latest_issues.get(event.node, (0, 0, UNSET))
        if fence == event.fence and entry.started_at < at:
            self._add_violation(
                "I9",
                f"task {node_label(machine, event.node)} (entry {self.seq}) began {at - entry.started_at} "
                f"us before entry {seq}, "
                "which let it begin, was journalled",
            )

    def _check_single_result(self, machine: Machine, event: ev.Succeeded) -> None:
        """Check that a node has one result, independently of the machine."""
        compiled_plan, node = machine.compiled_plan, event.node
        if not 0 <= node < len(machine.node_states):
            return
        earlier = self._result_entries.get(node)
        if earlier is not None and compiled_plan.loop_of[compiled_plan.unit_of[node]] is None:
            self._add_violation(
                "I2",
                f"task {node_label(machine, node)} has two recorded results, entry {earlier} and entry {self.seq}",
            )
        self._result_entries[node] = self.seq

    def _allow_repeated_results(self, machine: Machine, event: ev.Resumed) -> None:
        """Permit a second result of the nodes that a retry resets: after a counted failure, or with new inputs."""
        compiled_plan, nodes = machine.compiled_plan, machine.compiled_plan.plan.nodes
        failed: set[int] = set()
        if machine.ended:
            failed = {i for i in self._failed_nodes if 0 <= i < len(nodes) and nodes[i].on_error != "ignore"}
        anew = compiled_plan.readers(event.inputs) if event.inputs else []
        if event.start_node is not None:
            anew.append(event.start_node)
        for u in compiled_plan.descendants([compiled_plan.unit_of[i] for i in (*failed, *anew)]):
            for i in compiled_plan.unit_members[u]:
                self._result_entries.pop(i, None)
        self._failed_nodes -= failed

    def _check_inherited(self, machine: Machine, entry: Any) -> None:
        """Check that the inherited entries of a fork are in the journal of its source."""
        if self.source_facts is None or not forks.is_not_in_source(entry, self.source_facts):
            return
        what = f"entry {self.seq} ({entry[0]}), which it was born with, "
        about = "" if entry[0] == "started" else f"about task {node_label(machine, entry[1])} "
        self._add_violation(
            "I2", f"{what}{about}is not in the journal of run {self.row.forked_from}, which it was forked from"
        )

    def _report_illegal_event(self, machine: Machine, event: ev.Event) -> None:
        """Say which promise an entry breaks that does not fit the machine."""
        what = f"entry {self.seq} ({type(event).__name__})"
        node = getattr(event, "node", None)
        if machine.ended:
            self._add_violation("I5", f"{what} was journalled after the run had {machine.status}")
        elif not isinstance(node, int) or not 0 <= node < len(machine.node_states):
            self._add_violation("I9", f"{what} does not fit a run that is {machine.status}")
        elif machine.node_states[node] == WAITING:
            waits = unfinished_predecessors(machine, node)
            behind = f", although {', '.join(waits)} had no result yet" if waits else ""
            self._add_violation(
                "I9", f"{what} is about task {node_label(machine, node)}, which was not started{behind}"
            )
        elif not (type(event) is ev.Succeeded and self.violations and self.violations[-1].invariant == "I2"):
            fence = getattr(event, "fence", None)
            under = "" if fence is None else f" under fence {fence}; the latest it was issued is {machine.fences[node]}"
            self._add_violation(
                "I2", f"{what} is about task {node_label(machine, node)}, which is {machine.node_states[node]}{under}"
            )

    # -- head and queue

    def _check_status(self, machine: Machine) -> None:
        row = self.row
        set_aside = row.status == RunStatus.PAUSED and machine.status == "running" and row.reason
        if row.status != machine.status and not set_aside:
            self._add_violation("I5", f"its head says {row.status}, its journal says {machine.status}")
        if self._moved_to is not None and (row.release or ev.CODE_RELEASE) != self._moved_to:
            moved_to = self._moved_to or "code of a runner's process"
            self._add_violation("I5", f"its head says release {row.release}, its journal says {moved_to}")
        if (row.finished_at is not None) != (row.status in FINAL_STATUSES):
            state = "an end" if row.finished_at is not None else "no end"
            self._add_violation("I5", f"it is {row.status} and has {state} time")

    def _check_work(self, machine: Machine, work: Sequence[WorkRow]) -> None:
        queued: dict[int, list[WorkRow]] = {}
        for row in work:
            queued.setdefault(row.node, []).append(row)
            self._check_work_row(machine, row)
        for node, rows in queued.items():
            held = [r for r in rows if r.owner is not None and r.lease_until > self.now]
            if len(held) > 1:
                owners = " and ".join(str(r.owner) for r in held)
                self._add_violation("I4", f"task {node_label(machine, node)} is leased to {owners} at the same time")
        if self.row.status in FINAL_STATUSES or machine.ended:
            return
        for node, command in machine.todo.items():
            if type(command) is Evaluate or (type(command) is StartTimer and command.at is None):
                self._add_violation("I6", f"task {node_label(machine, node)} waits for a decision that no runner takes")
            elif node not in queued:
                self._add_violation(
                    "I6", f"task {node_label(machine, node)} is outstanding, and the queue does not know of it"
                )
        if not machine.todo and self.row.status == RunStatus.RUNNING:
            self._add_violation("I6", "it is running, and nothing of it is outstanding")

    def _check_work_row(self, machine: Machine, row: WorkRow) -> None:
        head, command = self.row, machine.todo.get(row.node)
        where = f"the queue has work (task {node_label(machine, row.node)}, fence {row.fence})"
        if head.status in FINAL_STATUSES:
            self._add_violation("I6", f"{where} of a run that is {head.status}")
            return
        if command is None:
            self._add_violation("I6", f"{where} that is not outstanding")
            return
        kind, fence = "timer", machine.fences[row.node]
        if type(command) is Execute:
            kind, fence = "execute", command.fence
        elif type(command) is AwaitChildren:
            kind, fence = "children", command.generation
        if row.workflow != claim_key(head.workflow, head.release):
            executes = claim_key(head.workflow, head.release)
            self._add_violation("I6", f"{where} for runners with {row.workflow!r}, though it is a run of {executes!r}")
        if (row.kind, row.fence) != (kind, fence):
            self._add_violation("I4", f"{where} to {row.kind}; what was issued is fence {fence}, to {kind}")
        if head.status == RunStatus.RUNNING and row.parked:
            self._add_violation("I6", f"{where} that is parked, though the run is not paused: no runner claims it")
        if head.status == RunStatus.PAUSED and row.owner is None and not row.parked:
            self._add_violation("I6", f"{where} that is not parked, though the run is paused")


_ATTEMPT_END_EVENTS: Final = (
    ev.Succeeded,
    ev.Failed,
    ev.Cancelled,
    ev.Deferred,
    ev.InputRequested,
    ev.ChildRunsRequested,
)


def _keep_encoded(tree: Any) -> Any:
    """Return the encoded value: the machine reads no values, so none is decoded."""
    return tree
