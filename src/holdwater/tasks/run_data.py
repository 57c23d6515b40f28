"""What each task of a run sees: views, merged where branches meet, by causality and never by time.

Every write is known by the rank of its task (its place in a topological order).  Where several dependencies bring
different entries of one key, those that another one has seen are out; the rest were written without knowledge of each
other and are merged three ways, in the order of `dependencies`.  Their base is the merge of the latest writes that
both sides have seen.  All of that is a function of the plan and of what tasks wrote: nobody's timing is in it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from operator import itemgetter
from typing import Any

from holdwater.kernel.gates import WAITING
from holdwater.kernel.machine import Machine
from holdwater.model.rules import MISSING, SUCCEEDED, holds
from holdwater.model.values import Stored
from holdwater.tasks.ancestry import Ancestry
from holdwater.tasks.context import Context
from holdwater.tasks.layered_map import EMPTY, INITIAL, Entry, Layer, View
from holdwater.tasks.merge import ABSENT, merge, tree_of
from holdwater.tasks.patch import Patch

INPUT = "*"
"""The cell of the initial context."""


class TaskBoard:
    """The views of one run.  Reads the machine and changes nothing in it; every view is made once."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._ancestry = Ancestry(machine.layout)
        self._forget()

    def _forget(self) -> None:
        self._rewinds = self._machine.rewinds
        self._before: dict[int, View] = {}  # what came together for a task; with its edits it is what the task sees
        self._seen: dict[int, View] = {}
        self._after: dict[int, View] = {}
        self._written: dict[str, list[int]] = {}  # key -> ranks of its writers, among the tasks seen so far
        self._bases: dict[tuple[str, tuple[int, ...]], Any] = {}
        self._made: dict[int, tuple[Entry, int, list[Entry]]] = {}  # id of a merged entry -> it, its origin, its sides
        self._initial: View | None = None

    def view(self, node: int) -> View:
        """What the node sees: the initial context, or what its dependencies leave behind.  Immutable."""
        return self._views([node], {})[0]

    def truths(self, node: int) -> tuple[bool, ...]:
        """The truth of each value predicate of the node's rule, on private copies.  Raises DecodingError."""
        rules = self._machine.layout.values[node]
        view = self.view(node) if rules else EMPTY
        out = []
        for rule in rules:
            value = view.stored(rule.name)
            out.append(holds(rule, MISSING if value is None else value.copy()))
        return tuple(out)

    def result(self) -> Mapping[str, Stored]:
        """The final context: all tasks nobody depends on, merged in definition order.

        Of a run that is not over: what it has so far.
        """
        nodes = self._machine.layout.plan.nodes
        inner = {name for node in nodes for name in node.after}
        leaves = [i for i, node in enumerate(nodes) if node.name not in inner]
        passing: dict[int, View] = {}
        self._views(leaves, passing)
        return dict(self._join([self._leaves_behind(i, passing) for i in leaves]).items())

    # -- views

    def _views(self, wanted: Sequence[int], passing: dict[int, View]) -> list[View]:
        # Iterative: after a restart nothing is known, and a chain may have 10,000 tasks.  Views of tasks that still
        # wait are not final and only kept in `passing`.
        if (
            self._rewinds != self._machine.rewinds
        ):  # the run began again: what some tasks had left behind was taken back
            self._forget()
        known, state = self._before, self._machine.state
        stack = list(reversed(wanted))
        while stack:
            i = stack[-1]
            if i in known or i in passing:
                stack.pop()
                continue
            dependencies = self._ancestry.dependencies(i)
            missing = [d for d in dependencies if d not in known and d not in passing]
            if missing:
                stack += reversed(missing)
                continue
            stack.pop()
            view = self._join([self._leaves_behind(d, passing) for d in dependencies])
            (passing if state[i] == WAITING else known)[i] = view
        return [self._shown(i, known[i] if i in known else passing[i]) for i in wanted]

    def _shown(self, i: int, before: View) -> View:
        """What a task sees: what came together for it, with its edits on top, as if it had written them itself."""
        edits: Patch | None = self._machine.edits.get(i)
        if edits is None:
            return before
        final = self._before.get(i) is before
        if final and i in self._seen:
            return self._seen[i]
        rank = self._ancestry.rank(i)
        delta = _delta(edits, rank)
        for key in delta:
            writers = self._written.setdefault(key, [])
            if rank not in writers:
                writers.append(rank)
        seen = before.push(delta)
        if final:
            self._seen[i] = seen
        return seen

    def _leaves_behind(self, i: int, passing: dict[int, View]) -> View:
        """A task that did not succeed passes on what it saw."""
        done = self._after.get(i)
        if done is not None:
            return done
        seen = self._shown(i, self._before[i] if i in self._before else passing[i])
        if self._machine.state[i] != SUCCEEDED:
            return seen
        patch: Patch | None = self._machine.value[self._machine.layout.out[i][0]]
        rank = self._ancestry.rank(i)
        self._after[i] = made = seen if patch is None else self._pushed(seen, patch, rank)
        return made

    def _pushed(self, view: View, patch: Patch, rank: int) -> View:
        delta = _delta(patch, rank)
        for key in delta:
            self._written.setdefault(key, []).append(rank)
        return view.push(delta)

    def _start(self) -> View:
        if self._initial is None:
            patch: Patch | None = self._machine.value[self._machine.layout.cell[INPUT]]
            if patch is None:  # not started yet
                return EMPTY
            self._initial = self._pushed(EMPTY, patch, INITIAL)
        return self._initial

    # -- joins

    def _join(self, views: Sequence[View]) -> View:
        if not views:
            return self._start()
        if len(views) == 1:
            return views[0]
        start = _largest(views)
        joined = views[start]
        # A layer both have says nothing new: what one of them shows of it, or above it, the other has seen.
        shared = {id(layer) for layer in joined.layers}
        delta: Layer = {}
        source: dict[str, int] = {}  # key in the delta -> position of its view
        contested: dict[str, list[tuple[int, Entry]]] = {}
        for at, view in enumerate(views):
            for layer in reversed(view.layers):
                if id(layer) in shared:
                    continue
                for key, entry in layer.items():
                    if view.get(key) is not entry:
                        continue
                    if key in contested:
                        contested[key].append((at, entry))
                        continue
                    mine = delta.get(key) or joined.get(key)
                    if mine is None:
                        delta[key] = entry
                        source[key] = at
                    elif mine is not entry:
                        contested[key] = [(source.get(key, start), mine), (at, entry)]
            shared.update([id(layer) for layer in view.layers])
        for key, entries in contested.items():
            entries.sort(key=itemgetter(0))
            meeting = Meeting(self._ancestry, entries[0][1])
            for _, entry in entries[1:]:
                meeting.add(entry)
            latest = self._combined(key, meeting)
            if latest is not joined.get(key):
                delta[key] = latest
        return joined.push(delta)

    def _combined(self, key: str, meeting: Meeting) -> Entry:
        first, *rest = meeting.entries
        if not rest:
            return first
        ancestry = self._ancestry
        tree, known, origin = tree_of(first[0]), ancestry.seen(first[1]), self._origin(first)
        for entry in rest:
            theirs, their_origin = ancestry.seen(entry[1]), self._origin(entry)
            ours_is_news, theirs_is_news = origin & ~theirs, their_origin & ~known
            if theirs_is_news and not ours_is_news:
                tree, origin = tree_of(entry[0]), their_origin
            elif theirs_is_news or not ours_is_news:
                other = tree_of(entry[0])
                merged = merge(self._base(key, known & theirs, (first, entry)), tree, other)
                origin = origin if merged is tree else their_origin if merged is other else origin | their_origin
                tree = merged
            known |= theirs
        made: Entry = (None if tree is ABSENT else Stored.from_tree(tree), ancestry.latest(meeting.writers))
        self._made[id(made)] = (made, origin, meeting.entries)
        return made

    def _origin(self, entry: Entry) -> int:
        """The writers whose work is in the value: where one side won, the other is known and yet not in it."""
        made = self._made.get(id(entry))
        return self._ancestry.bits(entry[1]) if made is None else made[1]

    def _base(self, key: str, known: int, sides: Sequence[Entry]) -> Any:
        """The value everybody started from who has seen these ranks: the latest writes of the key, merged.

        As one of the sides saw them merged, else in the order of ranks.
        """
        ancestry = self._ancestry
        written = ancestry.bits(self._written[key])
        wanted = ancestry.latest(known & written)
        if len(wanted) > 1:
            seen_before = self._in_history(key, wanted, sides)
            if seen_before is not None:
                return tree_of(seen_before[0])
        stack = [wanted]
        while stack:  # several writes have a base of their own, and so on
            writers = stack[-1]
            if (key, writers) in self._bases:
                stack.pop()
                continue
            tree: Any = ABSENT
            seen = 0
            for rank in writers:
                theirs = ancestry.seen((rank,))
                if not seen:
                    tree = self._value(key, rank)
                else:
                    below = ancestry.latest(seen & theirs & written)
                    if (key, below) not in self._bases:
                        stack.append(below)
                        break
                    tree = merge(self._bases[key, below], tree, self._value(key, rank))
                seen |= theirs
            else:
                self._bases[key, writers] = tree
                stack.pop()
        return self._bases[key, wanted]

    def _in_history(self, key: str, writers: tuple[int, ...], sides: Sequence[Entry]) -> Entry | None:
        """The entry by exactly these writers that one of the sides was made from."""
        ancestry = self._ancestry
        goal = ancestry.bits(writers)
        stack = list(reversed(sides))
        met: set[int] = set()
        while stack:
            entry = stack.pop()
            if entry[1] == writers:
                return entry
            if id(entry) in met or goal & ~ancestry.seen(entry[1]):
                continue
            met.add(id(entry))
            made = self._made.get(id(entry))
            if made is not None:
                stack += reversed(made[2])
            elif entry[1][0] != INITIAL:
                before = self._before.get(ancestry.node(entry[1][0]))  # of a task that still waits: its edit
                earlier = None if before is None else before.get(key)
                if earlier is not None:
                    stack.append(earlier)
        return None

    def _value(self, key: str, rank: int) -> Any:
        """What one task, or the initial context, wrote to the key, as a tree."""
        layout = self._machine.layout
        if rank == INITIAL:
            initial: Patch = self._machine.value[layout.cell[INPUT]]
            return tree_of(initial.set.get(key))
        node = self._ancestry.node(rank)
        patch: Patch | None = self._machine.value[layout.out[node][0]]
        if patch is None or (key not in patch.set and key not in patch.removed):
            patch = self._machine.edits[node]
        return tree_of(patch.set.get(key))


class Meeting:
    """Entries of one key that have not seen each other, in declared order."""

    __slots__ = ("_ancestry", "_known", "entries", "writers")

    def __init__(self, ancestry: Ancestry, entry: Entry) -> None:
        self._ancestry = ancestry
        self._start(entry)

    def _start(self, entry: Entry) -> None:
        self.entries = [entry]
        self.writers = self._ancestry.bits(entry[1])
        self._known = self._ancestry.seen(entry[1])

    def add(self, entry: Entry) -> None:
        """One more entry: it may be known already, replace all, or stand beside them."""
        writers = self._ancestry.bits(entry[1])
        if not writers & ~self._known:
            return
        known = self._ancestry.seen(entry[1])
        if not self.writers & ~known:
            self._start(entry)
            return
        self.entries.append(entry)
        self.writers |= writers
        self._known |= known


def _delta(patch: Patch, rank: int) -> Layer:
    by = (rank,)
    delta: Layer = {key: (value, by) for key, value in patch.set.items()}
    delta.update(dict.fromkeys(patch.removed, (None, by)))
    return delta


def _largest(views: Sequence[View]) -> int:
    """The view to put the others on: the first, unless another one holds far more."""
    best = max(range(len(views)), key=lambda i: views[i].count)
    return best if views[best].count > 2 * views[0].count + 16 else 0


class TaskStyle:
    """The style of tasks, as far as a process needs it that does not have the user's code."""

    name = "tasks"

    def board(self, machine: Machine) -> TaskBoard:
        """The views of a run."""
        return TaskBoard(machine)

    def unpack(self, tree: Any) -> Patch:
        """A cell from the tree in the journal.  Raises DecodingError."""
        return Patch.from_tree(tree)

    def edits(self, values: Mapping[str, Any], removed: Collection[str], under: Any) -> Patch:
        """A change of what a task sees, over an earlier one (None: there is none).  Raises EncodingError."""
        given = Context(values).stored()
        earlier: Patch = Patch({}) if under is None else under
        gone = dict.fromkeys([*earlier.removed, *removed])
        kept = {key: value for key, value in earlier.set.items() if key not in removed}
        return Patch({**kept, **given}, tuple(key for key in gone if key not in given))

    def answer(self, writes: int, value: Any) -> tuple[Patch, ...]:
        """Tasks ask nothing; what is said all the same is added to the context.  Raises EncodingError."""
        return (Patch(Context(value).stored()),)
