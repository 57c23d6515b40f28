"""From a node to its executor: what the task asks for, else what the routing says, else the default."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from weakref import WeakKeyDictionary

from penstock.model.errors import ExecutorNotFound
from penstock.model.ports import Program
from penstock.model.wire import Entry
from penstock.runtime.attempt import Attempt
from penstock.runtime.executor import Executor
from penstock.runtime.places import DEFAULT, ExecutorKind, ExecutorMetrics, ThreadExecutor
from penstock.runtime.routing import Router, not_found


class Dispatcher:
    """The executors of a runner.  Raises ExecutorNotFound if the routing names one that is not there."""

    def __init__(
        self,
        kinds: Mapping[str, ExecutorKind],
        routing: Router | None,
        max_concurrent_tasks: int,
        deliver: Callable[[Attempt, Entry], None],
        on_defer: Callable[[Attempt, bool], None],
    ) -> None:
        self._routing = routing
        kinds = {DEFAULT: ThreadExecutor(max_concurrent_tasks), **kinds}
        if routing is not None:
            routing.check(kinds)
        self.executors = {
            name: Executor(name, kind.max_concurrent, deliver, on_defer, kind.open(name))
            for name, kind in kinds.items()
        }
        self._all = tuple(self.executors.values())
        self._only = self._all[0] if len(self._all) == 1 else None
        self._checked: Program | None = None  # the last one: it is most often the next one too
        self._routes: WeakKeyDictionary[Program, list[Executor]] = WeakKeyDictionary()

    # -- routes; only the driver's thread asks

    def check(self, program: Program) -> None:
        """Raises ExecutorNotFound if a node of the program asks for an executor that is not there."""
        if program is self._checked:
            return
        if program not in self._routes:
            self._routes[program] = [self._find(program, node) for node in range(len(program.plan.nodes))]
        self._checked = program

    def serves(self, program: Program) -> bool:
        """Whether every node of it has an executor here."""
        try:
            self.check(program)
        except ExecutorNotFound:
            return False
        return True

    def route(self, program: Program, node: int) -> Executor:
        """Where the node's body runs.  The program was checked."""
        if self._only is not None:
            return self._only
        return self._routes[program][node]

    def _find(self, program: Program, node: int) -> Executor:
        name = program.executor(node)
        if name is None:
            name = DEFAULT if self._routing is None else self._routing.executor_for(program.full_name(node))
        if name not in self.executors:
            raise not_found(name, self.executors, f"task {program.plan.nodes[node].name!r} asks for")
        return self.executors[name]

    # -- all of them

    @property
    def backlog(self) -> int:
        """Attempts that wait for a slot."""
        return len(self._only.waiting) if self._only is not None else sum([e.backlog for e in self._all])

    @property
    def running(self) -> set[Attempt]:
        """Bodies that have begun and are not over.  Not to be changed."""
        if self._only is not None:
            return self._only.running
        return {attempt for e in self._all for attempt in list(e.running)}

    def slots(self) -> dict[Executor, int]:
        """How many bodies can begin at once on each."""
        return {self._only: self._only.free} if self._only is not None else {e: e.free for e in self._all}

    def take_begun(self) -> list[Attempt]:
        """The attempts whose bodies have begun since the last call."""
        only = self._only
        if only is not None:
            return only.take_begun() if only.begun else []
        return [attempt for e in self._all for attempt in e.take_begun()]

    # -- from any thread

    def executor(self, name: str) -> Executor:
        """Raises ExecutorNotFound."""
        if name not in self.executors:
            raise not_found(name, self.executors, "you ask for")
        return self.executors[name]

    def metrics(self) -> dict[str, ExecutorMetrics]:
        """Every executor, by name."""
        return {name: e.metrics() for name, e in self.executors.items()}

    # -- the end

    def withdraw_waiting(self) -> list[Attempt]:
        """Take back what has not begun, and start nothing more."""
        return [attempt for e in self._all for attempt in e.withdraw_waiting()]

    def close(self) -> None:
        """End threads, event loops and processes."""
        for e in self._all:
            e.close()
