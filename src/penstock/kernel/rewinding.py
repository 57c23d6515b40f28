"""The way back: a run that has ended, or rests, goes on; what was derived from what is void now is taken back.

What is taken back is forgotten as if it had never been.  Fences are never taken back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from penstock.kernel.gates import WAITING
from penstock.kernel.layout import RUN
from penstock.model.rules import FAILED, SKIPPED

if TYPE_CHECKING:
    from penstock.kernel.machine import Machine
    from penstock.model import events as ev


def resume(m: Machine, e: ev.Resumed) -> None:
    """Go on, with new inputs if there are any, from a node of a sequence if one is given."""
    ended, unhurt = m.ended, not m.halted and not m.failed
    m.suspended = False
    m.status = "running"
    anew = _give(m, e.inputs) if e.inputs else []
    if not ended and not anew:
        return
    if e.start is not None:
        anew.append(e.start)
    again = _rewind(m, anew, failures=ended, keep_seeds=unhurt)
    if ended:
        m.lives += 1
    m.rewinds += 1
    held, m.held, m.halted = m.held, [], ""
    m.errors.pop(RUN, None)
    for u in m.queue:  # a loop that ran out of iterations
        for i in m.layout.members[u]:
            m.errors.pop(i, None)
    for i in held + again:
        for counted in (m.errors, m.failures, m.crashes):
            counted.pop(i, None)
    if e.start is not None:
        _pass_over_until(m, e.start)
    for i in held + again:
        if m.passed.get(i) == RUN:
            m.settle(i, SKIPPED)
        else:
            m.issue(i)
    m.failed = any(m.layout.plan.nodes[i].on_error != "ignore" for i in m.errors)


def _give(m: Machine, inputs: Mapping[str, Any]) -> list[int]:
    """Take new inputs in: each is the latest write of its cell.  Returns the nodes that read them."""
    layout = m.layout
    given = set()
    for name, value in inputs.items():
        c = layout.cell[name]
        m.write_input(c, value)
        given.add(c)
    return [i for i, reads in enumerate(layout.reads) if any(c in given for cells in reads for c in cells)]


def _rewind(m: Machine, anew: Iterable[int], *, failures: bool, keep_seeds: bool) -> list[int]:
    """Take back what is to be done anew, failures that let the run go on, and all that came after either.

    What ran because of a failure must not stand beside its success.  A failure that counts for nothing (`ignore`)
    stays: the run is not in want of it, and what came after it is done.  Returns the failed nodes that can start again
    now; what is to be done anew is looked at again, and what is behind another one comes when that has settled.
    """
    layout, need, nodes = m.layout, m.need, m.layout.plan.nodes
    held = set(m.held)
    failed: list[int] = []
    if failures:
        failed = [i for i, s in enumerate(m.state) if s == FAILED and i not in held and nodes[i].on_error != "ignore"]
    anew = [i for i in anew if i not in held and (m.state[i] != WAITING or layout.unit[i] in m.rounds)]
    if not failed and not anew:
        return []
    back = layout.behind([layout.unit[i] for i in failed + anew])
    # A unit that waits for nobody, is not queued, not held and not at work has settled.
    queued, busy = set(m.queue), held.union(m.todo, m.asked)
    settled = [u for u in back if not need[u] and u not in queued and busy.isdisjoint(layout.members[u])]
    for u in settled:
        for v in layout.next[u]:
            need[v] += 1
    m.queue = deque(u for u in m.queue if u not in back)
    m.held = [i for i in m.held if layout.unit[i] not in back]
    if keep_seeds:
        _keep_seeds(m, back)
    for u in back:
        m.rounds.pop(u, None)
        for i in layout.members[u]:
            _forget(m, i)
    m.fresh = [c for c in m.fresh if m.todo.get(c.node) is c]
    again = [i for i in failed if not need[layout.unit[i]]]
    taken = {layout.unit[i] for i in again}
    m.queue.extend(u for u in sorted({layout.unit[i] for i in anew} - taken) if not need[u])
    return again


def _keep_seeds(m: Machine, units: Iterable[int]) -> None:
    """A loop that is done again begins with what it has come to."""
    layout = m.layout
    seeds = {layout.cell[name] for name in layout.plan.aliases}
    if not seeds:
        return
    for u in units:
        if layout.loops[u] is not None:
            for c in seeds.intersection([c for i in layout.members[u] for c in layout.out[i]]):
                if m.stamp[c]:
                    m.past.setdefault(c, {})[RUN] = (m.value[c], m.stamp[c])


def _forget(m: Machine, i: int) -> None:
    """The node has never been looked at."""
    m.state[i] = WAITING
    m.fired[i] = 0
    m.shut.discard(i)
    if m.layout.plan.sequence and i in m.last:
        for k in [k for k, source in m.passed.items() if source == i]:
            del m.passed[k]
    for known in (m.errors, m.failures, m.crashes, m.seen, m.pending, m.last, m.deferred, m.fans, m.asked, m.todo):
        known.pop(i, None)
    for g in m.spent.pop(i, ()):
        if g in m.pending:
            m.pending[g].add(m.layout.plan.nodes[i].name)
    for c in m.layout.out[i]:
        sources = m.past.get(c, {})
        sources.pop(i, None)
        m.value[c], m.stamp[c] = max(sources.values(), key=itemgetter(1), default=(None, 0))


def _pass_over_until(m: Machine, start: int) -> None:
    """Of a sequence: what stands before `start` and is not done never will be, and nothing from there is left out."""
    m.passed = {i: source for i, source in m.passed.items() if source != RUN}
    for i in range(start):
        m.passed.setdefault(i, RUN)
