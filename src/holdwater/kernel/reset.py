"""The way back: a run that has ended, or rests, goes on; what was derived from what is void now is taken back.

What is taken back is forgotten as if it had never been.  Fences are never taken back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from holdwater.kernel.compiled_plan import RUN
from holdwater.kernel.gates import WAITING
from holdwater.model.rules import FAILED, SKIPPED

if TYPE_CHECKING:
    from holdwater.kernel.machine import Machine
    from holdwater.model import events as ev


def resume(m: Machine, e: ev.Resumed) -> None:
    """Go on, with new inputs if there are any, from a node of a sequence if one is given."""
    ended, unhurt = m.ended, not m.halted and not m.failed
    m.suspended = False
    m.status = "running"
    anew = _give(m, e.inputs)
    if e.start is not None:
        anew += _begin_at(m, e.start)
    if not ended and not anew:
        return
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
        m.issue(i)
    m.failed = any(m.layout.plan.nodes[i].on_error != "ignore" for i in m.errors)


def _give(m: Machine, inputs: Mapping[str, Any]) -> list[int]:
    """Take new inputs in: each is the latest write of its cell.  Returns the nodes that read them."""
    for name, value in inputs.items():
        m.write_input(m.layout.cell[name], value)
    return m.layout.readers(inputs) if inputs else []


def _begin_at(m: Machine, start: int) -> list[int]:
    """Of a sequence: what stands before `start` and is not done never will be, whatever it has come to.

    `start` itself is not passed over, nor is the rest of what an earlier decision had passed over together with it.
    Returns the nodes to be looked at again.
    """
    nodes, held = m.layout.plan.nodes, set(m.held)
    for i in [i for i in m.errors if 0 <= i < start and i not in held and nodes[i].on_error != "ignore"]:
        m.state[i] = SKIPPED
        del m.errors[i]
    for i, pairs in m.last.items():
        left = [k for k, span in enumerate(m.layout.spans(pairs)) if start not in span]
        m.last[i] = tuple([name for k in left for name in pairs[2 * k : 2 * k + 2]])
    m.last[RUN] = (nodes[0].name, nodes[start].name)
    return [i for i in (*m.held, *m.todo, *m.asked) if i < start] + [start]


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
    begun = {layout.unit[i] for i in anew if m.state[i] != WAITING or layout.unit[i] in m.rounds}
    back = layout.behind([*begun, *[layout.unit[i] for i in failed]])
    # A unit that waits for nobody, is not queued, not held and not at work has settled.
    queued, busy = set(m.queue), held.union(m.todo, m.asked)
    settled = [u for u in back if not need[u] and u not in queued and busy.isdisjoint(layout.members[u])]
    for u in settled:
        for v in layout.next[u]:
            need[v] += 1
    again = [i for i in failed if not need[layout.unit[i]] and layout.unit[i] not in begun]
    fans = {i: m.fans[i] for i in again if i in m.fans}
    m.queue = deque(u for u in m.queue if u not in back)
    m.held = [i for i in m.held if layout.unit[i] not in back]
    if keep_seeds:
        _keep_seeds(m, back)
    for u in back:
        m.rounds.pop(u, None)
        for i in layout.members[u]:
            _forget(m, i)
    m.fans.update(fans)
    if layout.plan.sequence:
        m.passed.clear()
        for pairs in m.last.values():
            m.pass_over(pairs)
    m.fresh = [c for c in m.fresh if m.todo.get(c.node) is c]
    m.queue.extend(u for u in sorted(begun) if not need[u])
    return again


def _keep_seeds(m: Machine, units: Iterable[int]) -> None:
    """What a loop both reads and writes begins, when it is done again, with what it has come to."""
    layout = m.layout
    seeds = {layout.cell[name] for name in layout.plan.aliases}
    for u in units if seeds else ():
        inside = layout.members[u]
        made = seeds.intersection([c for i in inside for c in layout.out[i] if m.stamp[c]])
        for c in made.intersection([c for i in inside for cells in layout.reads[i] for c in cells]):
            m.past[c] = (m.value[c], m.stamp[c])


def _forget(m: Machine, i: int) -> None:
    """The node has never been looked at."""
    m.state[i] = WAITING
    m.fired[i] = 0
    m.shut.discard(i)
    for known in (m.errors, m.failures, m.crashes, m.seen, m.pending, m.last, m.deferred, m.fans, m.asked, m.todo):
        known.pop(i, None)
    for g in m.spent.pop(i, ()):
        if g in m.pending:
            m.pending[g].add(m.layout.plan.nodes[i].name)
    for c in m.layout.out[i]:
        m.value[c], m.stamp[c] = m.past.get(c, (None, 0))
