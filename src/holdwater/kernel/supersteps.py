"""Loops: supersteps behind a barrier, published together in plan order, so that no interleaving can be seen.

Decisions and versions are consumed at the barrier, before anything new is written.  A version counts writes, not
equality: an equal value is a new value.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from holdwater.kernel.compiled_plan import Loop
from holdwater.kernel.gates import END, gates_first, is_cut
from holdwater.kernel.skipping import deadlock, skipped
from holdwater.model.rules import SKIPPED, SUCCEEDED

if TYPE_CHECKING:
    from holdwater.kernel.machine import Machine


@dataclass(slots=True)
class Round:
    """The superstep a loop is in.  `left`: running nodes; `dirty`: nodes to look at when it is complete."""

    dirty: set[int]
    left: int = 0
    count: int = 0
    running: list[int] = field(default_factory=list)
    done: dict[int, tuple[tuple[Any, ...], tuple[str, ...] | None]] = field(default_factory=dict)

    def copy(self) -> Round:
        """Shares the values, and nothing else."""
        return Round(set(self.dirty), self.left, self.count, list(self.running), dict(self.done))


def finish(m: Machine, loop: Loop, node: int, values: tuple[Any, ...], decision: tuple[str, ...] | None) -> None:
    """A node of the running superstep is done; the last one publishes them all."""
    m.state[node] = SUCCEEDED
    r = m.rounds[loop.unit]
    r.done[node] = (values, decision)
    r.left -= 1
    if not r.left:
        _publish(m, loop, r)


def superstep(m: Machine, loop: Loop) -> None:
    """Issue what is ready now, or let the loop come to rest."""
    layout = m.layout
    r = m.rounds.get(loop.unit)
    if r is None:
        r = m.rounds[loop.unit] = Round(set(loop.nodes))
    for i in r.dirty:  # a decision taken on old inputs is void, END is not
        named = m.pending.get(i)
        if named and ((layout.controllers[i] and is_cut(m, i)) or (END not in named and _stale(m, i))):
            m.pending[i] = set()
    ready = [i for i in sorted(r.dirty) if _wants(m, i)]
    if not ready:
        ready, stuck = _at_rest(m, loop)
        if stuck:
            m.queue.appendleft(loop.unit)
            m.errors[stuck[0]] = ("deadlock", deadlock(m, loop, stuck))
            m.failed = True
            m.halt("failed")
            return
    run = ready if len(ready) < 2 else gates_first(m, ready)
    r.dirty = set(ready).difference(run) if len(ready) > 1 else set()
    if not run:
        m.shut.update([i for i in loop.nodes if layout.targets[i] and not m.fired[i] and is_cut(m, i)])
        for i in loop.nodes:
            m.state[i] = SUCCEEDED if m.fired[i] else SKIPPED
        m.release(loop.unit)
        return
    if r.count == layout.plan.max_iterations:  # whoever resumes the run grants as many again
        r.count = 0
        r.dirty.update(ready)
        m.queue.appendleft(loop.unit)
        m.errors[run[0]] = ("loop", f"more than {layout.plan.max_iterations} iterations")
        m.failed = True
        m.halt("failed")
        return
    r.count += 1
    r.left, r.running = len(run), run
    for i in run:
        m.issue(i)


def _at_rest(m: Machine, loop: Loop) -> tuple[list[int], list[int]]:
    """What is ready once skipped members are waited for no longer; if nothing is, the members in a deadlock.

    One of these that has all it needs, and is the only one, goes before those that wait for it in their turn.  In a
    deadlock is also what a gate has opened again, and what waits for a signal that comes no more.
    """
    if not all([m.fired[i] for i in loop.nodes]):
        without = skipped(m, loop)
        ready = _ready(m, [i for i in loop.nodes if i not in without], without)
        if ready:
            return ready, []
        stuck = [i for i in loop.nodes if not m.fired[i] and i not in without]
        if stuck:
            first = _ready(m, stuck, range(len(m.state)))
            return (first, []) if len(first) == 1 else ([], stuck)
    return [], [i for i in loop.nodes if m.layout.newer[i] and m.fired[i] and _opened(m, i)]


def _ready(m: Machine, nodes: list[int], waived: Container[int]) -> list[int]:
    """Which of the nodes are to run if these are not waited for."""
    m.waived = waived
    ready = [i for i in nodes if _wants(m, i)]
    m.waived = ()
    return ready


def _publish(m: Machine, loop: Loop, r: Round) -> None:
    for i in r.running:
        m.seen[i] = _versions(m, i)
        for g in m.layout.controllers[i]:
            if m.pending.get(g):
                name = m.layout.plan.nodes[i].name
                if name in m.pending[g]:
                    m.pending[g].discard(name)
                    if m.layout.unit[g] != loop.unit:
                        m.spent.setdefault(i, set()).add(g)
    for i in r.running:
        values, decision = r.done.pop(i)
        m.write(i, values, decision)
        r.dirty.update(loop.wakes[i])
        if i in loop.governors:
            r.dirty.update(loop.governed)
    m.queue.append(loop.unit)


def _versions(m: Machine, i: int) -> list[int]:
    stamp = m.stamp
    single = m.layout.single[i]
    if single is not None:
        return [stamp[c] for c in single]
    return [max([stamp[c] for c in cells], default=0) for cells in m.layout.reads[i]]


def _opened(m: Machine, i: int) -> bool:
    """A gate has decided for the node, and it has not run since."""
    name, controllers = m.layout.plan.nodes[i].name, m.layout.controllers
    return any([name in m.pending.get(g, ()) and not (controllers[g] and is_cut(m, g)) for g in controllers[i]])


def _stale(m: Machine, i: int) -> bool:
    now, was, which = _versions(m, i), m.seen[i], m.layout.refires[i]
    return now != was if which is None else any([now[k] != was[k] for k in which])


def _wants(m: Machine, i: int) -> bool:
    layout = m.layout
    test = layout.tests[i]
    if test is not None and not test(m, i):
        return False
    if not m.fired[i]:
        return m.fed(i)
    if layout.newer[i]:
        now = _versions(m, i)
        if any([now[k] <= m.seen[i][k] for k in layout.newer[i]]):
            return False
    name = layout.plan.nodes[i].name
    for g in layout.controllers[i]:
        if g in m.pending and name in m.pending[g]:
            return True
    return _stale(m, i)
