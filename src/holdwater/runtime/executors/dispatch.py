"""From a node to its executor: what the task asks for, else what the routing says, else the default."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from weakref import WeakKeyDictionary

from holdwater.errors import ExecutorNotFound
from holdwater.model.journal import JournalEntry
from holdwater.model.ports import WorkflowDefinition
from holdwater.runtime.attempt import Attempt
from holdwater.runtime.executors.base import DEFAULT, ExecutorConfig, ExecutorMetrics, ThreadExecutor
from holdwater.runtime.executors.routing import Router, not_found
from holdwater.runtime.executors.slots import Executor


class Dispatcher:
    """The executors of a runner.  Raises ExecutorNotFound if the routing names one that is not there."""

    def __init__(
        self,
        kinds: Mapping[str, ExecutorConfig],
        routing: Router | None,
        max_concurrent_tasks: int,
        max_concurrent_async_tasks: int | None,
        deliver: Callable[[Attempt, JournalEntry], None],
        on_defer: Callable[[Attempt, bool], None],
        on_free: Callable[[], None],
    ) -> None:
        self._routing = routing
        kinds = {DEFAULT: ThreadExecutor(max_concurrent_tasks), **kinds}
        if routing is not None:
            routing.check(kinds)
        places = {name: kind.open(name) for name, kind in kinds.items()}
        self.executors = {
            name: Executor(name, kind.max_concurrent, deliver, on_defer, on_free, places[name])
            for name, kind in kinds.items()
        }
        default = self.executors[DEFAULT]
        # elsewhere, an `async def` body is a call like any other
        self._async = (
            Executor(DEFAULT, max_concurrent_async_tasks, deliver, on_defer, on_free, loop_of=default)
            if places[DEFAULT] is None and max_concurrent_async_tasks is not None
            else None
        )
        self._all = (*self.executors.values(), *([] if self._async is None else [self._async]))
        self._only = default if len(self.executors) == 1 else None
        self._checked: WorkflowDefinition | None = None  # the last one: it is most often the next one too
        self._routes: WeakKeyDictionary[WorkflowDefinition, list[Executor]] = WeakKeyDictionary()

    # -- routes; only the driver's thread asks

    def check(self, program: WorkflowDefinition) -> None:
        """Raises ExecutorNotFound if a node of the program asks for an executor that is not there."""
        if program is self._checked:
            return
        if program not in self._routes:
            self._routes[program] = [self._find(program, node) for node in range(len(program.plan.nodes))]
        self._checked = program

    def serves(self, program: WorkflowDefinition) -> bool:
        """Whether every node of it has an executor here."""
        try:
            self.check(program)
        except ExecutorNotFound:
            return False
        return True

    def route(self, program: WorkflowDefinition, node: int) -> Executor:
        """Where the node's body runs.  The program was checked."""
        if self._only is not None:
            return self._async if self._async is not None and program.is_async(node) else self._only
        return self._routes[program][node]

    def _find(self, program: WorkflowDefinition, node: int) -> Executor:
        name = program.executor(node)
        if name is None:
            name = DEFAULT if self._routing is None else self._routing.executor_for(program.routing_key(node))
        if name not in self.executors:
            raise not_found(name, self.executors, f"task {program.plan.nodes[node].name!r} asks for")
        if name == DEFAULT and self._async is not None and program.is_async(node):
            return self._async
        return self.executors[name]

    def nodes_at(self, program: WorkflowDefinition, executors: Collection[Executor]) -> list[int]:
        """Those of its nodes whose bodies run there.  The program was checked."""
        routes = self._routes[program]
        return [node for node, executor in enumerate(routes) if executor in executors]

    # -- all of them

    @property
    def backlog(self) -> int:
        """Attempts that wait for a slot."""
        return sum([len(e.waiting) for e in self._all])

    @property
    def running(self) -> set[Attempt]:
        """Bodies that have begun and are not over.  Not to be changed."""
        return {attempt for e in self._all for attempt in list(e.running)}

    @property
    def unfinished(self) -> list[Attempt]:
        """Bodies that run, and attempts that wait for a slot, at a moment; from any thread."""
        return [attempt for e in self._all for attempt in (*list(e.waiting), *list(e.running))]

    def slots(self) -> dict[Executor, int]:
        """How many bodies can begin at once on each."""
        return {e: e.free for e in self._all}

    def ahead(self, now: int, prefetch: int, *, measured: bool) -> dict[Executor, int]:
        """How much may be leased ahead of each: what will begin soon, and waits for a slot until then.

        `prefetch`: on all together at most.  `measured`: no more than the pace of bodies allows.
        """
        room = prefetch - self.backlog
        if not measured:
            return dict.fromkeys(self._all, room)
        return {e: min(room, e.expected(now) - len(e.waiting)) for e in self._all}

    def runs_dry(self, now: int, prefetch: int, *, measured: bool) -> bool:
        """Whether less than half of what may be leased ahead waits on some executor."""
        if not measured:
            return self.backlog * 2 < prefetch
        return any([len(e.waiting) * 2 < min(prefetch, e.expected(now)) for e in self._all])

    def tell_when_free(self, executors: Iterable[Executor]) -> bool:
        """Whether a slot has come free on any of these; each of the others will tell."""
        return any([e.tell_when_free() for e in executors])

    def is_idle(self) -> bool:
        """Whether all slots are free; if not, each executor that is busy tells when its are."""
        return all([e.is_idle() for e in self._all])

    def withdraw_surplus(self, now: int, *, everything: bool = False) -> list[Attempt]:
        """Take back what waits although it will not begin soon, or all that waits."""
        return [attempt for e in self._all if e.waiting for attempt in e.withdraw_surplus(now, everything=everything)]

    def take_begun(self) -> list[Attempt]:
        """The attempts whose bodies have begun since the last call."""
        return [attempt for e in self._all if e.begun for attempt in e.take_begun()]

    # -- from any thread

    def executor(self, name: str) -> Executor:
        """Raises ExecutorNotFound."""
        if name not in self.executors:
            raise not_found(name, self.executors, "you ask for")
        return self.executors[name]

    def metrics(self) -> dict[str, ExecutorMetrics]:
        """Every executor, by name; the default one with its `async def` bodies, which have slots of their own."""
        found = {name: e.metrics() for name, e in self.executors.items()}
        if self._async is not None:
            found[DEFAULT] = found[DEFAULT].plus(self._async.metrics())
        return found

    # -- the end

    def withdraw_waiting(self) -> list[Attempt]:
        """Take back what has not begun, and start nothing more."""
        return [attempt for e in self._all for attempt in e.withdraw_waiting()]

    def close(self) -> None:
        """End threads, event loops and processes."""
        for e in self._all:
            e.close()
