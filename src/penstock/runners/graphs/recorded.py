"""Runs of graphs on the record: begun, or gone on with where they stopped, and waited for.

The engine of the checkpointer decides and writes; here is only what a caller adds: the loop its coroutines live in, its
budget, its listeners and handlers, and answers given before the questions.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar
from weakref import WeakKeyDictionary

from penstock.direct import budget
from penstock.direct.preparing import Names, outermost_name, split_answers
from penstock.direct.questions import PauseInfo
from penstock.direct.settings import Ending, Setting, new_run_id
from penstock.graphs.errors import InfiniteLoopError
from penstock.graphs.given import resolve_inputs
from penstock.graphs.nodes.interrupts import InterruptNode
from penstock.graphs.nodes.nested import GraphNode
from penstock.graphs.program import GraphProgram
from penstock.model import events as ev
from penstock.model.errors import ConfigError, InvalidTransition, PenstockError, RunInProgress, StructureChanged
from penstock.model.values import Stored
from penstock.runtime.live_run import LiveRun

if TYPE_CHECKING:
    from penstock.direct.watching import NodeSpan, Watch
    from penstock.engine import Engine
    from penstock.engine.pauses import Pause
    from penstock.graphs.calling import Memo
    from penstock.graphs.graph import Graph
    from penstock.runners.graphs.checkpointers import Checkpointer
    from penstock.runners.graphs.running import Resume

T = TypeVar("T")
SETTLING_SECONDS: Final = 1.0
"""how long a cancelled caller waits for its cancelled coroutines"""
_UNBOUND = object()


class GraphFailed(PenstockError, RuntimeError):
    """A recorded run failed; what its node raised was raised in another process, or in an earlier one."""


class Caller:
    """Who called for a recorded run, and is told of it and of the runs nested in it."""

    def __init__(self, graph: Graph, setting: Setting, loop: asyncio.AbstractEventLoop | None) -> None:
        self.graph, self.setting, self.loop = graph, setting, loop
        self.budget = budget.current()
        self.variables = contextvars.copy_context()
        self.errors: dict[str, Exception] = {}
        """by run: what was raised first"""
        self.watches: dict[str, Watch | None] = {}
        self.spans: dict[tuple[str, str], NodeSpan] = {}
        self.answers = dict(setting.answers)
        self.told: set[str] = set()
        """pause ids of questions that listeners have heard of"""
        self.carried: set[Future[Any]] = set()
        """bodies that are awaited in the loop now"""
        self.cancelled = False
        self.lock = threading.Lock()

    def part(self, run_id: str) -> Part:
        """One of its runs."""
        with self.lock:
            if run_id not in self.watches:
                self.watches[run_id] = self._watch(run_id)
            return Part(self, run_id, self.watches[run_id])

    def cancel(self) -> None:
        """Cancel the bodies that are awaited in the loop, and those on their way there."""
        self.cancelled = True
        for body in list(self.carried):
            body.cancel()

    def check(self, pause_id: str, value: Any) -> None:
        """Raise AnswerError if the value is no answer to this question."""
        graph, (*path, name) = self.graph, pause_id.split("/")
        for step in path:
            node = graph.nodes.get(step)
            if isinstance(node, GraphNode):  # the others are numbers of items
                graph = node.graph
        asking = graph.nodes[name]
        if isinstance(asking, InterruptNode):
            asking.check(value)

    def _watch(self, run_id: str) -> Watch | None:
        if "/" not in run_id:
            return self.setting.watch(self.graph)
        parent_id, _, place = run_id.rpartition("/")
        span = self.spans.get((parent_id, place.rsplit(".", 2)[0]))
        if self.setting.outlet is None or span is None:
            return None
        from penstock.direct.watching import Watch

        nested = Setting(
            runner=self.setting.runner,
            run_id=self.setting.run_id,
            workflow_id=self.setting.workflow_id,
            session_id=self.setting.session_id,
            parent_span=span.span_id,
            item_index=int(place.rsplit(".", 1)[1]),
        )
        watch = Watch(nested, self.setting.outlet, place.rsplit(".", 2)[0])
        watch.started({})
        return watch


class Part:
    """The surroundings of one run (see `penstock.graphs.program.Surroundings`)."""

    def __init__(self, caller: Caller, run_id: str, watch: Watch | None) -> None:
        self._caller, self._run_id = caller, run_id
        self.listener: Watch | None = watch
        self.memo: Memo | None = caller.setting.memo

    def call(self, body: Callable[[], T]) -> T:
        limit = self._caller.budget
        if limit is None:
            return self._caller.variables.copy().run(body)
        limit.acquire_blocking()
        try:
            return self._caller.variables.copy().run(body)
        finally:
            limit.release()

    def carry(self, body: Coroutine[Any, Any, T]) -> Awaitable[T]:
        loop = self._caller.loop
        if loop is None:
            return body
        begun: Future[T] = self._caller.variables.copy().run(
            asyncio.run_coroutine_threadsafe, _within(self._caller.budget, body), loop
        )
        self._caller.carried.add(begun)
        begun.add_done_callback(self._caller.carried.discard)
        if self._caller.cancelled:  # before it was among those to be cancelled
            begun.cancel()
        return asyncio.wrap_future(begun)

    def answered(self, node: InterruptNode[..., Any], shown: Any) -> tuple[Any] | None:
        caller = self._caller
        place = _place(caller.graph, self._run_id, node.name)
        for key in (place, node.name):
            handler = caller.setting.handlers.get(key)
            if handler is not None:
                answer = handler(shown)
                return (self._awaited(answer) if asyncio.iscoroutine(answer) else answer,)
        with caller.lock:
            return (caller.answers.pop(place),) if place in caller.answers else None

    def _awaited(self, answer: Coroutine[Any, Any, T]) -> T:
        loop = self._caller.loop
        return asyncio.run(answer) if loop is None else asyncio.run_coroutine_threadsafe(answer, loop).result()

    def raised(self, error: Exception) -> None:
        self._caller.errors.setdefault(self._run_id, error)

    def unfolded(self, node: GraphNode, inputs: Mapping[str, Any]) -> None:
        watch = self._caller.watches.get(self._run_id)
        if watch is not None:
            self._caller.spans[self._run_id, node.name] = watch.begin(node, inputs)

    def folded(self, node: GraphNode, outputs: Mapping[str, Stored], error: Exception | None) -> None:
        caller = self._caller
        stem = f"{self._run_id}/{node.name}."
        for run_id, watch in list(caller.watches.items()):
            if watch is not None and run_id.startswith(stem) and "/" not in run_id[len(stem) :]:
                watch.ended(Ending({}, caller.errors.get(run_id)))
                del caller.watches[run_id]
        if error is not None:  # the first that a child raised is what this run raises
            inner = next((e for run_id, e in caller.errors.items() if run_id.startswith(stem)), None)
            if inner is not None:
                caller.errors.setdefault(self._run_id, inner)
        span = caller.spans.pop((self._run_id, node.name), None)
        if span is None:
            return
        if error is None:
            span.done({name: value.copy() for name, value in outputs.items()})
        else:
            span.failed(error)


class Recorder:
    """The runs of graphs on one engine."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._programs: WeakKeyDictionary[Graph, GraphProgram] = WeakKeyDictionary()
        self._callers: dict[str, Caller] = {}

    def known(self, run_id: str) -> frozenset[str]:
        """Names of values that a run has; empty if there is none of this id.  Raises StoreError."""
        if self.engine.store.run(run_id) is None:
            return frozenset()
        run = self.engine.read(run_id)
        m, cell = run.machine, run.layout.cell
        return frozenset(run.result()) | {name for name in run.layout.plan.inputs if m.stamp[cell[name]]}

    @contextmanager
    def calling(self, order: Order) -> Iterator[None]:
        """This caller's bodies, listeners and handlers are those of the run.  Raises RunInProgress."""
        run_id = order.run_id
        if self._callers.setdefault(run_id, order.caller) is not order.caller:
            raise RunInProgress(
                f"workflow {run_id!r} is being run in this process now", hint="wait for that, or use another id"
            )
        try:
            yield
        finally:
            del self._callers[run_id]

    def begin(self, order: Order) -> None:
        """Begin a run, or go on with the one of this id; returns when that is on disk.

        Raises StructureChanged, RunInProgress, EncodingError, AnswerError, StoreUnavailable, RunnerClosed.
        """
        engine, run_id, given, caller = self.engine, order.run_id, order.given, order.caller
        program = self._program(order.graph)
        engine.registry.register(program)
        head = engine.store.run(run_id)
        if head is None:
            limited = program.variant(program.description(given, caller.setting.max_iterations))
            engine.begin(limited, given, run_id=run_id)
            return
        if head.workflow != program.plan.name:
            raise StructureChanged(
                f"workflow {run_id!r} is a run of graph {head.workflow!r}, and not of {program.plan.name!r}",
                hint="give every graph ids of its own",
            )
        engine.driver.loader.check_structure(head)
        run = engine.read(run_id)
        changed = _changed(run, given)
        if order.strict:
            _check_strictly(run, changed)
        pauses = engine.pauses(run_id) if caller.answers else ()
        answers = {p.pause_id: caller.answers.pop(p.pause_id) for p in pauses if p.pause_id in caller.answers}
        self.answer(run_id, answers)
        if changed or head.status in ("failed", "cancelled") or run.machine.suspended:
            self._resume(run_id, changed)
        elif head.status == "running" and not answers:
            self._resume(run_id, {})

    def _resume(self, run_id: str, changed: Mapping[str, Stored]) -> None:
        try:
            self.engine.resume(run_id, changed)
        except InvalidTransition:  # it may have come to its end since it was looked at
            if changed or self.engine.head(run_id).status != "completed":
                raise

    def answer(self, run_id: str, answers: Mapping[str, Any]) -> None:
        """Answer open questions, by pause id.  What rested because of them goes on here.

        Raises NotAsked, EncodingError, AnswerError, StoreUnavailable, RunnerClosed.
        """
        for pause_id, value in answers.items():
            self.engine.answer(run_id, pause_id, value)
        if answers:
            self.engine.adopt(run_id)

    def ending(self, order: Order) -> Ending:
        """What the run has come to.  Raises StoreError, DecodingError."""
        run_id = order.run_id
        run = self.engine.read(run_id)
        made = run.result()
        pauses = self.engine.pauses(run_id) if run.machine.status == "paused" else []
        return Ending(
            {name: made[name].copy() for name in order.outputs if name in made},
            self._error(run, order.caller),
            tuple([self._info(order.graph, pause) for pause in pauses]),
            sum([r.count for r in run.machine.rounds.values()]),
        )

    def wait(self, run_id: str) -> None:
        """Until it has ended, or waits for a person."""
        self.engine.wait(run_id)

    async def wait_async(self, run_id: str) -> None:
        """The same in a loop."""
        loop = asyncio.get_running_loop()
        while True:
            moved: asyncio.Future[None] = loop.create_future()
            promise = self.engine.watch(run_id)
            promise.then(partial(_tell, loop, moved))
            await moved
            run = promise.value()
            if run is not None and run.machine.status != "running":
                return
            if (await asyncio.to_thread(self.engine.head, run_id)).status != "running":
                return

    async def abandon(self, order: Order) -> None:
        """Its caller was cancelled: cancel its coroutines, and pause what goes on, for a later caller to go on with."""
        order.caller.cancel()
        if order.graph.has_async_nodes:  # whoever runs it again at once must not meet them
            with suppress(TimeoutError):
                async with asyncio.timeout(SETTLING_SECONDS):
                    await self.wait_async(order.run_id)
        self.engine.driver.control(order.run_id, ev.Paused("its caller was cancelled"))

    def _program(self, graph: Graph) -> GraphProgram:
        program = self._programs.get(graph)
        if program is None:
            program = GraphProgram(graph, graph.name or "graph", self._part)
            self._programs[graph] = program
        return program

    def _part(self, run_id: str) -> Part | None:
        caller = self._callers.get(run_id.partition("/")[0])
        return None if caller is None else caller.part(run_id)

    def _error(self, run: LiveRun, caller: Caller) -> BaseException | None:
        if run.machine.status == "cancelled":
            return GraphFailed(f"run {run.row.id!r} was cancelled{': ' + run.row.reason if run.row.reason else ''}")
        if run.machine.status != "failed":
            return None
        loops = [text for kind, text in run.machine.errors.values() if kind == "loop"]
        limit = run.layout.plan.max_iterations
        if loops and limit is not None:
            return InfiniteLoopError(loops[0], max_iterations=limit, hint="run it again for as many more")
        return caller.errors.get(run.row.id) or GraphFailed(run.row.error or "it failed")

    def _info(self, graph: Graph, pause: Pause) -> PauseInfo:
        inside, path = graph, []
        for name in pause.pause_id.split("/")[:-1]:
            node = inside.nodes.get(name)
            if isinstance(node, GraphNode):  # the rest are numbers of items
                path.append(node)
                inside = node.graph
        return PauseInfo(
            node=pause.pause_id,
            response_param=outermost_name(tuple(path), pause.answer_name) or pause.pause_id,
            value=pause.value,
            pause_id=pause.pause_id,
        )


def _changed(run: LiveRun, given: Mapping[str, Any]) -> dict[str, Stored]:
    """Inputs that are not what the run was given last.  Raises EncodingError."""
    m, cell = run.machine, run.layout.cell
    changed = {}
    for name, value in given.items():
        if name in cell:
            c, stored = cell[name], Stored.of(value)
            before = m.past[c][0] if c in m.past else m.value[c]
            if before != stored:
                changed[name] = stored
    return changed


def _check_strictly(run: LiveRun, changed: Mapping[str, Stored]) -> None:
    """Raises InvalidTransition."""
    if run.machine.status == "completed":
        raise InvalidTransition(
            f"workflow {run.row.id!r} is completed", hint='use another id, or resume="merge" to give it new inputs'
        )
    if changed:
        raise InvalidTransition(
            f"workflow {run.row.id!r} was begun with other values of {', '.join(map(repr, changed))}",
            hint='leave them out, fork it with checkpointer.fork(...), or use resume="merge"',
        )


def _place(graph: Graph, run_id: str, node: str) -> str:
    """The pause id of a node in a run nested in one of `graph`: without turns, items only where a graph is mapped."""
    place = ""
    for part in run_id.split("/")[1:]:
        name, _, item = part.rsplit(".", 2)
        nested = graph.nodes[name]
        assert isinstance(nested, GraphNode)
        place += f"{name}/" if nested.map_config is None else f"{name}/{item}/"
        graph = nested.graph
    return place + node


async def _within(limit: budget.Budget | None, body: Coroutine[Any, Any, T]) -> T:
    if limit is None:
        return await body
    await limit.acquire()
    try:
        return await body
    finally:
        limit.release()


def _tell(loop: asyncio.AbstractEventLoop, moved: asyncio.Future[None], _: object) -> None:
    loop.call_soon_threadsafe(_resolve, moved)


def _resolve(moved: asyncio.Future[None]) -> None:
    if not moved.done():
        moved.set_result(None)


@dataclass(frozen=True, slots=True)
class Order:
    """What a caller wants of a recorded run.  `outputs`: what to return."""

    recorder: Recorder
    graph: Graph
    run_id: str
    given: Mapping[str, Any]
    outputs: tuple[str, ...]
    caller: Caller
    strict: bool
    """nothing but answers is given to a run that there is, and a completed one is over"""


def ordered(
    checkpointer: Checkpointer,
    graph: Graph,
    setting: Setting,
    inputs: Mapping[str, Any] | None,
    values: Mapping[str, Any] | None,
    keywords: Mapping[str, Any],
    select: Names,
    entrypoint: Names,
    resume: Resume,
    *,
    loop: asyncio.AbstractEventLoop | None = None,
) -> Order:
    """Read what the run has, and hold against it what is given.  A run without an id gets one.

    Raises what `resolve_inputs` raises, ConfigError for an entry point, StoreUnavailable, RunnerClosed.
    """
    if entrypoint is not None:
        raise ConfigError(
            "entrypoint= is not for recorded runs: whoever goes on with one has to find the same graph",
            hint="graph.with_entrypoint(...)",
        )
    recorder = checkpointer.recorder
    setting.workflow_id = run_id = setting.workflow_id or setting.run_id or new_run_id()
    inputs, values, keywords, setting.answers = split_answers(graph, inputs, values, keywords)
    known = recorder.known(run_id)
    resolved = resolve_inputs(graph, inputs, values=values, keywords=keywords, known=known)
    given = {name: value for name, value in resolved.values.items() if value is not graph.bound.get(name, _UNBOUND)}
    outputs = graph.scope(select).outputs  # those of a whole run, whatever it has been given by now
    return Order(recorder, graph, run_id, given, outputs, Caller(graph, setting, loop), resume == "strict")


async def ordered_async(*wanted: Any) -> Order:
    """The same from a loop, which is where the run's coroutines will live."""
    return await asyncio.to_thread(partial(ordered, *wanted, loop=asyncio.get_running_loop()))


def run(order: Order) -> Ending:
    """Begin or go on, and wait in this thread until the run has ended or waits for a person.

    Raises what `Recorder.begin` raises; what a node raises is in the ending.
    """
    recorder = order.recorder
    with recorder.calling(order), _told(order) as tell:
        recorder.begin(order)
        recorder.wait(order.run_id)
        return tell(recorder.ending(order))


async def run_async(order: Order) -> Ending:
    """The same in a loop.  Where somebody answers while the run goes on, its questions are theirs first."""
    recorder = order.recorder
    with recorder.calling(order), _told(order) as tell:
        begun = asyncio.ensure_future(asyncio.to_thread(recorder.begin, order))
        try:
            await asyncio.shield(begun)
            while True:
                await recorder.wait_async(order.run_id)
                ending = await asyncio.to_thread(recorder.ending, order)
                answers = await _asked(order.caller, ending.pauses)
                if not answers:
                    return tell(ending)
                await asyncio.to_thread(recorder.answer, order.run_id, answers)
        except asyncio.CancelledError:
            await asyncio.wait([begun])
            if begun.exception() is None:
                await recorder.abandon(order)
            raise


async def _asked(caller: Caller, pauses: tuple[PauseInfo, ...]) -> dict[str, Any]:
    """Tell of open questions, and wait for an answer if there is anybody to give one."""
    watch = caller.watches.get(caller.setting.workflow_id or "")
    for pause in pauses:
        if watch is not None and pause.pause_id not in caller.told:
            watch.asked(pause)
        caller.told.add(pause.pause_id)
    desk = caller.setting.desk
    if not pauses or not desk.live:
        return {}
    answers: dict[str, Any] = {}
    stirred = asyncio.Event()

    def answer(pause_id: str, value: Any) -> None:
        caller.check(pause_id, value)
        answers[pause_id] = value
        desk.wakes()  # at once: whoever iterates asks whether the run rests before this loop turns
        stirred.set()

    for k, pause in enumerate(pauses):
        desk.ask((k,), pause, partial(answer, pause.pause_id), stirred.set)
    desk.rests()
    await stirred.wait()
    for pause in pauses:
        desk.forget(pause.pause_id)
    caller.told -= answers.keys()  # in a loop it may be asked again
    return answers


@contextmanager
def _told(order: Order) -> Iterator[Callable[[Ending], Ending]]:
    """The beginning and the end of a run, for those who listen."""
    watch = order.caller.part(order.run_id).listener
    if watch is None:
        yield lambda ending: ending
        return
    watch.started(order.given, node_count=len(order.graph.nodes))
    last = Ending({})

    def tell(ending: Ending) -> Ending:
        nonlocal last
        last = ending
        return ending

    try:
        yield tell
    except BaseException as error:
        last = Ending({}, error)
        raise
    finally:
        watch.ended(last)
