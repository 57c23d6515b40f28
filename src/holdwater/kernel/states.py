"""States of a run and of its nodes, and the events that lead from one to another.

A run is a *fold*: `Machine.apply` takes one event after the other, and the state after a journal is a function of that
journal alone.  A driver (`runtime`, the in-memory drivers of graphs, the tests) executes commands, and answers each
with an event.  The kernel itself has no clock, no thread, no randomness and no I/O, so every crash, every order of
completions and every restart can be tried in a test, by the thousand, in one thread.

Two tables say which event fits which state and where it leads: `RUN_TRANSITIONS` for the run, `NODE_TRANSITIONS` for
the node an event names.  The transitions of other nodes are no events: the machine derives them within the same
`apply` (`DERIVED_TRANSITIONS`).  A test applies every event in every state and holds the machine to the tables in both
directions: what it accepts is in them, and whatever is in them happens.  The diagrams of the documentation are drawn
from them.

The laws behind the tables, and what broke before each was one:

1.  *A plan is a DAG of units; a unit is evaluated once, when all units before it have settled.*  A unit is one node, or
    one loop (a strongly connected component).  Testing rules whenever an input arrived let a consumer behind a loop of
    five iterations run six times, and made a join of 2,000 nodes quadratic.  Now a counter per unit decides.
2.  *A loop runs in supersteps.*  What its nodes produce is published together, in plan order, when the superstep is
    complete.  Without this barrier a loop whose branches differ in length had 33 outcomes in 200 schedules.
3.  *What can be derived is no event.*  Skips, the next superstep and the end of a run are consequences inside `apply`.
    As events of their own they left a moment between cause and effect, in which a crash lost the effect.
4.  *Outstanding work is state.*  `todo` holds a command per node with work, and a restarted driver reads it.  As
    messages, commands were lost in a crash, and asking for them twice gave different answers.
5.  *A fencing token counts the issues of a node in its run, and is never reset*, neither by a retry, nor by the next
    iteration, nor by new inputs.  When it was derived from the attempt, the late result of a dead process was taken
    for that of its successor.  `accepts` is asked before an event is journalled, never after.
6.  *Failure is not skipping.*  A node below a failure is `upstream_failed`, which its own dependents inherit; a node
    that its rule skipped lets its dependents run.  With one state for both, two tasks after the failed one a task ran
    on nothing.
7.  *A run that halts starts nothing, and remembers what it dropped* (`cancelled` nodes, units left in the queue), so
    that resuming is one event.  Work that runs is drained: its result is taken, its retry is not.
8.  *A reset undoes causes and effects together.*  After a retry, new inputs or another start, a node behind what is
    done anew is `waiting` as if it had never run.  A result that ran because of a failure must not stand beside the
    success that replaced it.
9.  *Nothing of a user's runs in `apply`*: no function, no `==`, no encoding.  Values are opaque, versions count writes,
    and predicates on values are evaluated by a driver (`evaluating`).  An array whose comparison is no bool, or an
    encoder that raises, once left a half-applied event.
10. *`apply` is total.*  It raises IllegalEvent before it changes anything, or it takes the event and all it implies.
11. *Nothing recurses.*  Chains of 10,000 nodes and thousands of gates over each other are normal.

Names in this package: `i`, `j` are numbers of nodes; `u`, `v` of units; `c` of a cell (where one output of one node is
stored); `g` of a gate; `k` is a position in a tuple.
"""

from __future__ import annotations

from typing import Final, Literal

from holdwater.model import events as ev
from holdwater.model.commands import AwaitChildren, Command, Evaluate, Execute, StartTimer
from holdwater.model.events import Event
from holdwater.model.rules import CANCELLED, FAILED, SKIPPED, SUCCEEDED, UPSTREAM_FAILED

# -- states of a run

Status = Literal["new", "running", "paused", "completed", "failed", "cancelled"]
Phase = Literal["new", "running", "halting", "paused", "completed", "failed", "cancelled"]
"""a status; `halting`: running, but after a failure, a cancel or a time-out, so that only what runs is waited for"""

NEW: Final = "new"
RUNNING: Final = "running"
HALTING: Final = "halting"
PAUSED: Final = "paused"
COMPLETED: Final = "completed"
RUN_FAILED: Final = "failed"
RUN_CANCELLED: Final = "cancelled"

# -- states of a node; those of a settled node are outcomes, in `model.rules`

WAITING: Final = "waiting"
"""units before it have not settled; in a loop, it has not run yet"""
EVALUATING: Final = "evaluating"
"""a driver evaluates the predicates on values in its rule"""
ISSUED: Final = "issued"
"""an attempt is queued or running"""
DELAYED: Final = "delayed"
"""a timer is set: a retry delay, a wait, a function that asked to be called later"""
AWAITING_INPUT: Final = "awaiting_input"
"""a question is open"""
AWAITING_CHILDREN: Final = "awaiting_children"
"""child runs are active"""

OUTSTANDING_COMMAND: Final[dict[str, type[Command]]] = {
    EVALUATING: Evaluate,
    ISSUED: Execute,
    DELAYED: StartTimer,
    AWAITING_CHILDREN: AwaitChildren,
}
"""state of a node -> its command in `todo`; a node in any other state has none"""

UNANSWERED_STATES: Final = (WAITING, EVALUATING, ISSUED, DELAYED, AWAITING_INPUT, CANCELLED)
"""states of a node of kind `ask` or `interrupt` that has not had its answer yet"""

NODE_TRANSITIONS: Final[dict[type[Event], dict[str, tuple[str, ...]]]] = {
    ev.InputsOverridden: {WAITING: (WAITING,)},
    ev.Succeeded: {ISSUED: (SUCCEEDED,)},
    ev.Failed: {ISSUED: (FAILED, DELAYED, ISSUED, AWAITING_CHILDREN)},
    ev.AttemptLost: {ISSUED: (ISSUED, CANCELLED)},
    ev.Cancelled: {ISSUED: (CANCELLED,)},
    ev.Deferred: {ISSUED: (DELAYED, CANCELLED)},
    ev.InputRequested: {ISSUED: (AWAITING_INPUT, SUCCEEDED, CANCELLED)},
    ev.ChildRunsRequested: {ISSUED: (AWAITING_CHILDREN, ISSUED, CANCELLED)},
    ev.ChildStatusChanged: {AWAITING_CHILDREN: (AWAITING_CHILDREN, ISSUED)},
    ev.RuleEvaluated: {EVALUATING: (ISSUED, DELAYED, AWAITING_INPUT, SUCCEEDED, SKIPPED, UPSTREAM_FAILED)},
    ev.TimerSet: {DELAYED: (DELAYED,)},
    ev.TimerFired: {DELAYED: (ISSUED, SUCCEEDED, AWAITING_CHILDREN)},
    ev.InputProvided: {
        AWAITING_INPUT: (SUCCEEDED,),
        WAITING: (WAITING,),
        EVALUATING: (EVALUATING,),
        ISSUED: (ISSUED,),
        DELAYED: (DELAYED,),
        CANCELLED: (CANCELLED,),
        SUCCEEDED: (SUCCEEDED,),
    },
}
"""event -> state of its node -> states its node may enter; nothing else is accepted

- In a run that halts, an attempt ends as succeeded, failed or cancelled, and is not issued again.
- Failed: `retry_at` says whether, and when, it is tried again; children that did not complete are started again first.
- InputRequested leads to succeeded if the answer came before the question, ChildRunsRequested to issued if there is
  nothing to start, TimerFired to succeeded for a node of kind `wait`.
- InputProvided leaves the state as it is while the question is not open: the answer is kept.  A succeeded node can ask
  again only in a loop.
"""

DERIVED_TRANSITIONS: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "the units before it have settled": {
        WAITING: (EVALUATING, ISSUED, DELAYED, AWAITING_INPUT, SUCCEEDED, SKIPPED, UPSTREAM_FAILED),
    },
    "the next superstep": {SUCCEEDED: (ISSUED, AWAITING_INPUT, SUCCEEDED)},
    "the run halts": {
        EVALUATING: (WAITING,),
        DELAYED: (CANCELLED,),
        AWAITING_INPUT: (CANCELLED,),
        AWAITING_CHILDREN: (CANCELLED,),
    },
    "the run is resumed": {
        CANCELLED: (ISSUED, DELAYED, AWAITING_INPUT, AWAITING_CHILDREN, SUCCEEDED),
        FAILED: (ISSUED, SUCCEEDED, AWAITING_CHILDREN, SKIPPED),
        WAITING: (AWAITING_CHILDREN,),
    },
    "what it depends on is done anew": dict.fromkeys(
        (
            *(WAITING, EVALUATING, ISSUED, DELAYED, AWAITING_INPUT, AWAITING_CHILDREN),
            *(SUCCEEDED, FAILED, SKIPPED, UPSTREAM_FAILED, CANCELLED),
        ),
        (WAITING,),
    ),
}
"""cause -> state of a node -> states it enters without an event of its own; the last two only by Resumed"""

_PhaseRow = dict[Phase, tuple[Phase, ...]]

_ONWARD: Final[tuple[Phase, ...]] = (RUNNING, PAUSED, HALTING, COMPLETED, RUN_FAILED)
_SAME: Final[_PhaseRow] = {RUNNING: (RUNNING,), PAUSED: (PAUSED,)}
_ACTIVE: Final[_PhaseRow] = {RUNNING: _ONWARD, PAUSED: _ONWARD}
_DRAINING: Final[_PhaseRow] = {HALTING: (HALTING, RUN_FAILED, RUN_CANCELLED)}
_KEPT: Final[_PhaseRow] = {HALTING: (HALTING,)}

RUN_TRANSITIONS: Final[dict[type[Event], _PhaseRow]] = {
    ev.InputsOverridden: {NEW: (NEW,)},
    ev.Started: {NEW: _ONWARD},
    ev.Paused: {RUNNING: (PAUSED,), PAUSED: (PAUSED,)},
    ev.Resumed: {PAUSED: _ONWARD, COMPLETED: _ONWARD, RUN_FAILED: _ONWARD, RUN_CANCELLED: _ONWARD},
    ev.CancelRequested: {RUNNING: (HALTING, RUN_CANCELLED), PAUSED: (HALTING, RUN_CANCELLED)},
    ev.TimedOut: {RUNNING: (HALTING, RUN_FAILED), PAUSED: (HALTING, RUN_FAILED)},
    ev.Succeeded: _ACTIVE | _DRAINING,
    ev.Failed: _ACTIVE | _DRAINING,
    ev.AttemptLost: _SAME | _DRAINING,
    ev.Cancelled: _DRAINING,
    ev.Deferred: _SAME | _DRAINING,
    ev.InputRequested: _ACTIVE | _DRAINING,
    ev.ChildRunsRequested: _SAME | _DRAINING,
    ev.ChildStatusChanged: {RUNNING: (RUNNING, PAUSED), PAUSED: (RUNNING, PAUSED)},
    ev.RuleEvaluated: _ACTIVE,
    ev.TimerSet: _SAME,
    ev.TimerFired: _ACTIVE,
    ev.InputProvided: _ACTIVE | _KEPT,
}
"""event -> phase of the run -> phases it may enter; nothing else is accepted

- A run is paused by request (while work that runs goes on), or if all that is outstanding are questions and children
  that are paused themselves.  It is over when nothing is outstanding.
- Of a completed run, Resumed needs new inputs or a node to start from.
"""
