"""From a node to its executor: the one the task asks for, else that of the routing, else the default."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from weakref import WeakKeyDictionary

from holdwater.errors import ExecutorNotFound
from holdwater.model.journal import JournalEntry
from holdwater.model.ports.definition import WorkflowDefinition
from holdwater.model.time import Micros
from holdwater.runtime.attempt import Attempt
from holdwater.runtime.executors.base import (
    DEFAULT_EXECUTOR,
    ExecutorBackend,
    ExecutorConfig,
    ExecutorMetrics,
    ThreadExecutor,
)
from holdwater.runtime.executors.budget import SlotShare
from holdwater.runtime.executors.budgeted import BudgetedExecutor
from holdwater.runtime.executors.release_slots import LimitsReleases, ReleaseSlots
from holdwater.runtime.executors.routing import Router, executor_not_found
from holdwater.runtime.executors.slots import Executor


class Dispatcher:
    """The executors of a runner.  Raises ExecutorNotFound if the routing names one that is not there."""

    def __init__(
        self,
        configs: Mapping[str, ExecutorConfig],
        router: Router | None,
        max_concurrent_tasks: int,
        max_concurrent_async_tasks: int | None,
        on_attempt_ended: Callable[[Attempt, JournalEntry], None],
        on_deferral_changed: Callable[[Attempt, bool], None],
        on_slot_free: Callable[[], None],
        share: SlotShare | None = None,
    ) -> None:
        """`share`: of a budget that task functions on all executors take slots of, beside those of the executor."""
        self._router = router
        self._share = share
        new_executor = Executor if share is None else partial(BudgetedExecutor, share)
        configs = {DEFAULT_EXECUTOR: ThreadExecutor(max_concurrent_tasks), **configs}
        if router is not None:
            router.check_executors(configs)
        places = {name: kind.open(name) for name, kind in configs.items()}

        def make_executor(name: str, slot_limit: int, backend: ExecutorBackend | None) -> Executor:
            resources = None if router is None else partial(router.resources_for, executor=name)
            return new_executor(
                name,
                slot_limit,
                on_attempt_ended,
                on_deferral_changed,
                on_slot_free,
                backend,
                routed_resources=resources,
            )

        self.executors = {
            name: make_executor(name, kind.max_concurrent, places[name]) for name, kind in configs.items()
        }
        self._release_slots = {
            name: ReleaseSlots(kind, partial(make_executor, name), place)
            for name, kind in configs.items()
            if isinstance(kind, LimitsReleases) and (place := places[name]) is not None
        }
        default = self.executors[DEFAULT_EXECUTOR]
        # elsewhere, an `async def` task function is a call like any other
        self._async_executor = (
            new_executor(
                DEFAULT_EXECUTOR,
                max_concurrent_async_tasks,
                on_attempt_ended,
                on_deferral_changed,
                on_slot_free,
                event_loop=default.event_loop,
            )
            if places[DEFAULT_EXECUTOR] is None and max_concurrent_async_tasks is not None
            else None
        )
        self._own_executors = (
            *self.executors.values(),
            *([] if self._async_executor is None else [self._async_executor]),
        )
        self._all_executors = self._own_executors
        self._single_executor = default if len(self.executors) == 1 else None
        self._last_checked: WorkflowDefinition | None = None  # the last one: it is most often the next one too
        self._routes: WeakKeyDictionary[WorkflowDefinition, list[Executor]] = WeakKeyDictionary()

    # -- routes; only the driver's thread asks

    def check_routes(self, definition: WorkflowDefinition) -> None:
        """Raises ExecutorNotFound if a node of the definition asks for an executor that is not there."""
        if definition is self._last_checked:
            return
        if definition not in self._routes:
            self._routes[definition] = [
                self._resolve_executor(definition, node) for node in range(len(definition.plan.nodes))
            ]
        self._last_checked = definition

    def can_execute(self, definition: WorkflowDefinition) -> bool:
        """True if every node of it has an executor here."""
        try:
            self.check_routes(definition)
        except ExecutorNotFound:
            return False
        return True

    def executor_for_node(self, definition: WorkflowDefinition, node: int) -> Executor:
        """The executor of a node.  The definition was checked."""
        if self._single_executor is not None:
            return (
                self._async_executor
                if self._async_executor is not None and definition.is_async(node)
                else self._single_executor
            )
        return self._routes[definition][node]

    def _resolve_executor(self, definition: WorkflowDefinition, node: int) -> Executor:
        name = definition.executor_name(node)
        if name is None:
            name = DEFAULT_EXECUTOR if self._router is None else self._router.executor_for(definition.routing_key(node))
        if name not in self.executors:
            raise executor_not_found(name, self.executors, f"task {definition.plan.nodes[node].name!r} asks for")
        if name == DEFAULT_EXECUTOR and self._async_executor is not None and definition.is_async(node):
            return self._async_executor
        slots = self._release_slots.get(name)
        if slots is None or definition.release is None:
            return self.executors[name]
        return self._executor_of_release(slots, definition.release)

    def _executor_of_release(self, slots: ReleaseSlots, release: str) -> Executor:
        found = slots.executors.get(release)
        if found is None:
            used = {executor for routes in self._routes.values() for executor in routes}
            found = slots.add(release, used)
            of_releases = [executor for one in self._release_slots.values() for executor in one.executors.values()]
            self._all_executors = (*of_releases, *self._own_executors)
        return found

    def nodes_routed_to(self, definition: WorkflowDefinition, executors: Collection[Executor]) -> list[int]:
        """The nodes that run on these.  The definition was checked."""
        routes = self._routes[definition]
        return [node for node, executor in enumerate(routes) if executor in executors]

    # -- all of them

    @property
    def queue_length(self) -> int:
        """Attempts that wait for a slot."""
        return sum([len(e.queue) for e in self._all_executors])

    @property
    def running(self) -> set[Attempt]:
        """Attempts that have begun and are not over.  Not to be changed."""
        return {attempt for e in self._all_executors for attempt in list(e.running)}

    @property
    def unfinished(self) -> list[Attempt]:
        """Attempts that run or wait for a slot, at a moment; from any thread."""
        return [attempt for e in self._all_executors for attempt in (*list(e.queue), *list(e.running))]

    def free_slots(self) -> dict[Executor, int]:
        """The number of task functions that can begin at once on each."""
        if self._share is None:
            return {e: e.free_slots for e in self._all_executors}
        room = self._share.room
        return {e: min(room, e.free_slots) for e in self._all_executors}

    def prefetch_room(self, now: Micros, max_prefetch: int, *, by_throughput: bool) -> dict[Executor, int]:
        """The number of rows that may be leased ahead of each: they will begin soon, and wait for a slot until then.

        `max_prefetch`: on all together at most.  `by_throughput`: no more than the pace of task functions allows.
        """
        room = max_prefetch - self.queue_length
        if not by_throughput:
            return dict.fromkeys(self._all_executors, room)
        if self._share is None:
            return {e: min(room, e.expected_starts(now) - len(e.queue)) for e in self._all_executors}
        # for free slots of an executor work is leased before its turn has come: what waits for no turn never has one
        turns = self._share.room
        return {
            e: min(room, max(0, e.expected_starts(now) - len(e.queue)) + max(0, e.free_slots - turns))
            for e in self._all_executors
        }

    def is_running_low(self, now: Micros, max_prefetch: int, *, by_throughput: bool) -> bool:
        """True if less than half of the rows that may be leased ahead wait on some executor."""
        if not by_throughput:
            return self.queue_length * 2 < max_prefetch
        return any([len(e.queue) * 2 < min(max_prefetch, e.expected_starts(now)) for e in self._all_executors])

    def is_free_or_notify(self, executors: Iterable[Executor]) -> bool:
        """True if a slot is free on any of these; each of the others notifies when one is."""
        return any([e.is_free_or_notify() for e in executors])

    def is_idle_or_notify(self) -> bool:
        """True if all slots are free; if not, each executor that is busy notifies when its are."""
        return all([e.is_idle_or_notify() for e in self._all_executors])

    def unqueue_surplus(self, now: Micros, *, everything: bool = False) -> list[Attempt]:
        """Take back attempts that will not begin soon, or all that wait for a slot."""
        return [
            attempt for e in self._all_executors if e.queue for attempt in e.unqueue_surplus(now, everything=everything)
        ]

    def take_newly_started(self) -> list[Attempt]:
        """The attempts that have begun since the last call."""
        return [attempt for e in self._all_executors if e.newly_started for attempt in e.take_newly_started()]

    # -- from any thread

    def get_executor(self, name: str) -> Executor:
        """Raises ExecutorNotFound."""
        if name not in self.executors:
            raise executor_not_found(name, self.executors, "you ask for")
        return self.executors[name]

    def metrics(self) -> dict[str, ExecutorMetrics]:
        """Every executor, by name; the default one with its `async def` tasks, which have slots of their own."""
        found = {name: e.metrics() for name, e in self.executors.items()}
        for name, slots in self._release_slots.items():
            for executor in slots.executors.values():
                found[name] = found[name].combined_with(executor.metrics())
        if self._async_executor is not None:
            found[DEFAULT_EXECUTOR] = found[DEFAULT_EXECUTOR].combined_with(self._async_executor.metrics())
        return found

    # -- the end

    def close_queue(self) -> list[Attempt]:
        """Take back attempts that have not begun, and start nothing more."""
        return [attempt for e in self._all_executors for attempt in e.close_queue()]

    def close(self) -> None:
        """End threads, event loops and processes."""
        for e in self._all_executors:
            e.close()
