"""The view of the context of each task of a run, merged at joins by causality, not by time.

Every write is identified by the rank of its task (its position in a topological order).  If several dependencies bring
different entries of one key, entries that another one has seen are dropped; the others are concurrent and are merged
three ways, in the order of `dependencies`.  Their base is the merge of the latest writes that both sides have seen.
The result is a function of the plan and of the writes of tasks, independent of timing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from operator import itemgetter
from typing import Any

from holdwater.kernel.states import WAITING
from holdwater.model.node_inputs import NodeInputs
from holdwater.model.ports.definition import ConvertInput
from holdwater.model.rules import MISSING, SUCCEEDED, evaluate_predicate
from holdwater.model.run_state import RunState
from holdwater.model.values import StoredValue
from holdwater.tasks.ancestry import Ancestry
from holdwater.tasks.context import Context
from holdwater.tasks.layered_map import EMPTY, INITIAL_RANK, Entry, Layer, LayeredMap
from holdwater.tasks.merge import ABSENT, parse_tree, three_way_merge
from holdwater.tasks.patch import Patch
from holdwater.tasks.task_map import FinishedItems

INPUT_CELL = "*"
"""The cell of the initial context."""
CONTEXT_GROUP = "context"
"""The values of a view, as another process gets them."""


class TaskRunData:
    """The views of one run, each computed once.  Reads the state of the machine and changes nothing in it."""

    def __init__(self, machine: RunState) -> None:
        self._machine = machine
        self._ancestry = Ancestry(machine.compiled_plan)
        self._clear_caches()

    def _clear_caches(self) -> None:
        self._reset_count = self._machine.reset_count
        self._merged_inputs: dict[int, LayeredMap] = {}  # joined views of a task's dependencies, before its overrides
        self._visible_views: dict[int, LayeredMap] = {}
        self._output_views: dict[int, LayeredMap] = {}
        self._writers_by_key: dict[str, list[int]] = {}  # key -> ranks of its writers, among the tasks visited so far
        self._merge_bases: dict[tuple[str, tuple[int, ...]], Any] = {}
        self._merges: dict[
            int, tuple[Entry, int, list[Entry]]
        ] = {}  # id of a merged entry -> the entry, ranks that contributed to it (bit set), the merged entries
        self._initial_view: LayeredMap | None = None

    def view(self, node: int) -> LayeredMap:
        """Return the view of a node: the initial context, or the joined results of its dependencies.  Immutable."""
        seen = self._compute_views([node], {})[0]
        if not self._machine.fan_outs:
            return seen
        fan = self._machine.fan_outs.get(node)
        return seen if fan is None or not fan.is_finished else FinishedItems(seen, fan.results())

    def visible_names(self, node: int) -> Collection[str]:
        """Return the keys of the context the task sees."""
        return [key for key, _ in self.view(node).items()]

    def input_values(self, node: int) -> Mapping[str, StoredValue]:
        """Return the context the task sees."""
        return dict(self.view(node).items())

    def output_values(self, node: int) -> Mapping[str, StoredValue | None]:
        """Return the changes a task has made to the context."""
        patch: Patch | None = self._machine.values[self._machine.compiled_plan.write_cells[node][0]]
        if patch is None or self._machine.node_states[node] != SUCCEEDED:
            return {}
        return {**patch.set, **dict.fromkeys(patch.removed)}

    def starting_values(self, inputs: Mapping[str, Any]) -> Mapping[str, StoredValue]:
        """Return the initial context."""
        patch: Patch | None = inputs.get(INPUT_CELL)
        return {} if patch is None else patch.set

    def rule_results(self, node: int, *, reads_classes: bool = True) -> tuple[bool, ...]:
        """Evaluate the value predicates of the node's rule on copies of the values.

        Raises DecodingError if it `reads_classes`.
        """
        rules = self._machine.compiled_plan.value_predicates[node]
        view = self.view(node) if rules else EMPTY
        out = []
        for rule in rules:
            stored = view.get_stored(rule.name)
            value = MISSING
            if stored is not None:
                value = stored.copy() if reads_classes else stored.copy_builtins()
            out.append(evaluate_predicate(rule, value))
        return tuple(out)

    def result(self) -> Mapping[str, StoredValue]:
        """Return the final context: the results of all leaves, merged in definition order.

        For an unfinished run: the values so far.
        """
        nodes = self._machine.compiled_plan.plan.nodes
        inner = {name for node in nodes for name in node.after}
        leaves = [i for i, node in enumerate(nodes) if node.name not in inner]
        passing: dict[int, LayeredMap] = {}
        self._compute_views(leaves, passing)
        return dict(self._join_views([self._view_after(i, passing) for i in leaves]).items())

    # -- views

    def _compute_views(self, nodes: Sequence[int], provisional: dict[int, LayeredMap]) -> list[LayeredMap]:
        # Iterative: after a restart no view is known, and a chain may have 10,000 tasks.  Views of tasks that have not
        # settled are not final and only kept in `provisional`.
        if self._reset_count != self._machine.reset_count:  # the run was reset: results of some tasks were dropped
            self._clear_caches()
        known, state = self._merged_inputs, self._machine.node_states
        stack = list(reversed(nodes))
        while stack:
            i = stack[-1]
            if i in known or i in provisional:
                stack.pop()
                continue
            dependencies = self._ancestry.dependencies(i)
            missing = [d for d in dependencies if d not in known and d not in provisional]
            if missing:
                stack += reversed(missing)
                continue
            stack.pop()
            view = self._join_views([self._view_after(d, provisional) for d in dependencies])
            (provisional if state[i] == WAITING else known)[i] = view
        return [self._with_overrides(i, known[i] if i in known else provisional[i]) for i in nodes]

    def _with_overrides(self, i: int, merged_inputs: LayeredMap) -> LayeredMap:
        """Return the view of a task: the joined inputs with its overrides on top, as if the task had written them."""
        edits: Patch | None = self._machine.overrides.get(i)
        if edits is None:
            return merged_inputs
        final = self._merged_inputs.get(i) is merged_inputs
        if final and i in self._visible_views:
            return self._visible_views[i]
        rank = self._ancestry.rank(i)
        delta = _layer_from_patch(edits, rank)
        for key in delta:
            writers = self._writers_by_key.setdefault(key, [])
            if rank not in writers:
                writers.append(rank)
        seen = merged_inputs.push_layer(delta)
        if final:
            self._visible_views[i] = seen
        return seen

    def _view_after(self, i: int, provisional: dict[int, LayeredMap]) -> LayeredMap:
        """Return the view after a task; a task that did not succeed passes its inputs on."""
        done = self._output_views.get(i)
        if done is not None:
            return done
        seen = self._with_overrides(i, self._merged_inputs[i] if i in self._merged_inputs else provisional[i])
        if self._machine.node_states[i] != SUCCEEDED:
            return seen
        patch: Patch | None = self._machine.values[self._machine.compiled_plan.write_cells[i][0]]
        rank = self._ancestry.rank(i)
        self._output_views[i] = made = seen if patch is None else self._push_patch(seen, patch, rank)
        return made

    def _push_patch(self, view: LayeredMap, patch: Patch, rank: int) -> LayeredMap:
        delta = _layer_from_patch(patch, rank)
        for key in delta:
            self._writers_by_key.setdefault(key, []).append(rank)
        return view.push_layer(delta)

    def _load_initial_view(self) -> LayeredMap:
        if self._initial_view is None:
            patch: Patch | None = self._machine.values[self._machine.compiled_plan.cell_index[INPUT_CELL]]
            if patch is None:  # not started yet
                return EMPTY
            self._initial_view = self._push_patch(EMPTY, patch, INITIAL_RANK)
        return self._initial_view

    # -- joins

    def _join_views(self, views: Sequence[LayeredMap]) -> LayeredMap:
        if not views:
            return self._load_initial_view()
        if len(views) == 1:
            return views[0]
        start = _choose_base_view(views)
        joined = views[start]
        # Entries in or above a layer that both views share are known to both of them.
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
            meeting = ConcurrentWrites(self._ancestry, entries[0][1])
            for _, entry in entries[1:]:
                meeting.add(entry)
            latest = self._merge_concurrent_writes(key, meeting)
            if latest is not joined.get(key):
                delta[key] = latest
        return joined.push_layer(delta)

    def _merge_concurrent_writes(self, key: str, writes: ConcurrentWrites) -> Entry:
        first, *rest = writes.entries
        if not rest:
            return first
        ancestry = self._ancestry
        tree, known, origin = parse_tree(first[0]), ancestry.seen_by(first[1]), self._contributors(first)
        for entry in rest:
            theirs, their_origin = ancestry.seen_by(entry[1]), self._contributors(entry)
            ours_is_news, theirs_is_news = origin & ~theirs, their_origin & ~known
            if theirs_is_news and not ours_is_news:
                tree, origin = parse_tree(entry[0]), their_origin
            elif theirs_is_news or not ours_is_news:
                other = parse_tree(entry[0])
                merged = three_way_merge(self._find_merge_base(key, known & theirs, (first, entry)), tree, other)
                origin = origin if merged is tree else their_origin if merged is other else origin | their_origin
                tree = merged
            known |= theirs
        made: Entry = (None if tree is ABSENT else StoredValue.from_tree(tree), ancestry.latest(writes.writers))
        self._merges[id(made)] = (made, origin, writes.entries)
        return made

    def _contributors(self, entry: Entry) -> int:
        """Return the ranks that contributed to a value (bit set); a side that lost a merge did not."""
        made = self._merges.get(id(entry))
        return self._ancestry.to_bitset(entry[1]) if made is None else made[1]

    def _find_merge_base(self, key: str, known_ranks: int, sides: Sequence[Entry]) -> Any:
        """Return the common base of writers that have seen these ranks: the latest writes of the key, merged.

        They are merged as one of the sides saw them, otherwise in the order of ranks.
        """
        ancestry = self._ancestry
        written = ancestry.to_bitset(self._writers_by_key[key])
        wanted = ancestry.latest(known_ranks & written)
        if len(wanted) > 1:
            seen_before = self._find_common_version(key, wanted, sides)
            if seen_before is not None:
                return parse_tree(seen_before[0])
        stack = [wanted]
        while stack:  # the merge of several writes needs a base in turn
            writers = stack[-1]
            if (key, writers) in self._merge_bases:
                stack.pop()
                continue
            tree: Any = ABSENT
            seen = 0
            for rank in writers:
                theirs = ancestry.seen_by((rank,))
                if not seen:
                    tree = self._written_value(key, rank)
                else:
                    below = ancestry.latest(seen & theirs & written)
                    if (key, below) not in self._merge_bases:
                        stack.append(below)
                        break
                    tree = three_way_merge(self._merge_bases[key, below], tree, self._written_value(key, rank))
                seen |= theirs
            else:
                self._merge_bases[key, writers] = tree
                stack.pop()
        return self._merge_bases[key, wanted]

    def _find_common_version(self, key: str, writers: tuple[int, ...], sides: Sequence[Entry]) -> Entry | None:
        """Find the entry by exactly these writers that one of the sides was derived from."""
        ancestry = self._ancestry
        goal = ancestry.to_bitset(writers)
        stack = list(reversed(sides))
        met: set[int] = set()
        while stack:
            entry = stack.pop()
            if entry[1] == writers:
                return entry
            if id(entry) in met or goal & ~ancestry.seen_by(entry[1]):
                continue
            met.add(id(entry))
            made = self._merges.get(id(entry))
            if made is not None:
                stack += reversed(made[2])
            elif entry[1][0] != INITIAL_RANK:
                before = self._merged_inputs.get(ancestry.node(entry[1][0]))  # of a pending task: its override
                earlier = None if before is None else before.get(key)
                if earlier is not None:
                    stack.append(earlier)
        return None

    def _written_value(self, key: str, rank: int) -> Any:
        """Return the value one task, or the initial context, wrote to a key, as a tree."""
        compiled_plan = self._machine.compiled_plan
        if rank == INITIAL_RANK:
            initial: Patch = self._machine.values[compiled_plan.cell_index[INPUT_CELL]]
            return parse_tree(initial.set.get(key))
        node = self._ancestry.node(rank)
        patch: Patch | None = self._machine.values[compiled_plan.write_cells[node][0]]
        if patch is None or (key not in patch.set and key not in patch.removed):
            patch = self._machine.overrides[node]
        return parse_tree(patch.set.get(key))


class ConcurrentWrites:
    """Concurrent entries of one key, in declared order."""

    __slots__ = ("_ancestry", "_known_ranks", "entries", "writers")

    def __init__(self, ancestry: Ancestry, entry: Entry) -> None:
        self._ancestry = ancestry
        self._reset_to(entry)

    def _reset_to(self, entry: Entry) -> None:
        self.entries = [entry]
        self.writers = self._ancestry.to_bitset(entry[1])
        self._known_ranks = self._ancestry.seen_by(entry[1])

    def add(self, entry: Entry) -> None:
        """Add an entry: it is dropped if an entry has seen it, replaces those it has seen, or is concurrent."""
        writers = self._ancestry.to_bitset(entry[1])
        if not writers & ~self._known_ranks:
            return
        known = self._ancestry.seen_by(entry[1])
        if not self.writers & ~known:
            self._reset_to(entry)
            return
        self.entries.append(entry)
        self.writers |= writers
        self._known_ranks |= known


def _layer_from_patch(patch: Patch, rank: int) -> Layer:
    by = (rank,)
    delta: Layer = {key: (value, by) for key, value in patch.set.items()}
    delta.update(dict.fromkeys(patch.removed, (None, by)))
    return delta


def _choose_base_view(views: Sequence[LayeredMap]) -> int:
    """Return the index of the view to merge the others into: the first, unless another is far larger."""
    best = max(range(len(views)), key=lambda i: views[i].count)
    return best if views[best].count > 2 * views[0].count + 16 else 0


class TaskStyle:
    """The authoring style of tasks, without the user's code."""

    name = "tasks"

    def run_data(self, machine: RunState) -> TaskRunData:
        """Create the views of a run."""
        return TaskRunData(machine)

    def decode_value(self, tree: Any) -> Patch:
        """Decode a cell from its tree in the journal.  Raises DecodingError."""
        return Patch.from_tree(tree)

    def merge_overrides(self, values: Mapping[str, Any], removed: Collection[str], base: Any) -> Patch:
        """Build the overrides of a task's view on top of earlier ones (`base`).  Raises EncodingError."""
        given = Context(values).stored_values()
        earlier: Patch = Patch({}) if base is None else base
        gone = dict.fromkeys([*earlier.removed, *removed])
        kept = {key: value for key, value in earlier.set.items() if key not in removed}
        return Patch({**kept, **given}, tuple(key for key in gone if key not in given))

    def encode_answer(self, cell_count: int, value: Any) -> tuple[Patch, ...]:
        """Convert an answer to changes of the context; tasks themselves never request input.  Raises EncodingError."""
        return (Patch(Context(value).stored_values()),)

    def encode_inputs(self, inputs: Mapping[str, Any], defaults: Mapping[str, StoredValue]) -> dict[str, Any]:
        """Build the initial cells.  Raises EncodingError, ContextTooLarge."""
        return {INPUT_CELL: Patch({**defaults, **Context(inputs).stored_values()})}

    def replace_inputs(self, cells: Mapping[str, Patch], convert: ConvertInput) -> dict[str, Patch]:
        """Replace values of the initial context."""
        return {INPUT_CELL: Patch({name: convert(name, value) for name, value in cells[INPUT_CELL].set.items()})}

    def skip_reason(self, values: tuple[Any, ...]) -> str | None:
        """None: no function of this style says so."""
        return None

    def pack_view(self, view: LayeredMap) -> NodeInputs:
        """Convert a view: all of the context, and the results of its items that a mapped task collects."""
        results = view.child_results if isinstance(view, FinishedItems) else None
        return NodeInputs({CONTEXT_GROUP: dict(view.items())}, child_results=results)

    def unpack_view(self, inputs: NodeInputs) -> LayeredMap:
        """Build a view from what `pack_view` returned."""
        view = LayeredMap.from_values(inputs.groups[CONTEXT_GROUP])
        return view if inputs.child_results is None else FinishedItems(view, inputs.child_results)

    def parse_output(self, tree: Any, *, of_children: bool = False) -> Patch:
        """Build a patch from the tree another process sent.  Raises DecodingError."""
        return Patch.from_untrusted_tree(tree)

    def parse_input(self, tree: Any) -> Patch:
        """Build an initial context from the tree another process sent.  Raises DecodingError."""
        return Patch.from_untrusted_tree(tree)
