"""Graphs run on the running event loop: a ready node starts at once, coroutines as tasks, plain functions in threads.

When a node fails, what is running finishes and nothing more starts.  When the run is cancelled, coroutines are
cancelled and threads are waited for.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import time
from collections.abc import Coroutine
from types import CoroutineType
from typing import TYPE_CHECKING, Any, cast

from holdwater.graphs.node_call import perform, perform_async, spanned
from holdwater.graphs.nodes.interrupts import InterruptNode
from holdwater.graphs.nodes.nested import GraphNode
from holdwater.kernel import Machine
from holdwater.model import events as ev
from holdwater.model.cancellation import failure_of, is_cancellation
from holdwater.model.commands import Execute, Wake
from holdwater.model.context_isolation import own_decimals
from holdwater.runners.graphs.local import limiter
from holdwater.runners.graphs.local.errors import ending, failure
from holdwater.runners.graphs.local.idle import Resting, drained
from holdwater.runners.graphs.local.nesting import located_at, perform_nested_async
from holdwater.runners.graphs.local.pending_inputs import PauseInfo
from holdwater.runners.graphs.local.prepare import outermost_name
from holdwater.runners.graphs.local.run_context import Ending, Setting
from holdwater.runners.graphs.local.threads import await_in, in_thread

if TYPE_CHECKING:
    from holdwater.graphs.nodes.base import Node
    from holdwater.runners.graphs.local.prepare import Prepared
    from holdwater.runners.graphs.local.spans import NodeSpan, Watch


async def run(prepared: Prepared, given: dict[str, Any], setting: Setting) -> Ending:
    """Run a graph once.  What a node raises is in the ending; cancellation is raised when all bodies have ended."""
    watch = setting.watch(prepared.compiled.graph)
    if watch is None:
        return await _Drive(prepared, setting, None).run(given)
    watch.started(given, node_count=len(prepared.compiled.nodes))
    try:
        end = await _Drive(prepared, setting, watch).run(given)
    except BaseException as error:
        watch.ended(Ending({}, error))
        raise
    watch.ended(end)
    await watch.outlet.room()
    return end


class _Drive(Resting):
    """One run of one graph."""

    def __init__(self, prepared: Prepared, setting: Setting, watch: Watch | None) -> None:
        super().__init__(setting.above)
        self.prepared, self.setting, self.watch = prepared, setting, watch
        self.compiled = prepared.compiled
        self.m = Machine(self.compiled.limited(setting.max_iterations))
        self.loop = asyncio.get_running_loop()
        # A body must not see the context variables of the body before it.
        self.context = contextvars.copy_context()
        self.permits = limiter.current()
        self.over: asyncio.Future[None] = self.loop.create_future()
        self.tasks: set[asyncio.Task[None]] = set()
        self.sleeping: dict[int, asyncio.TimerHandle] = {}
        self.errors: dict[int, BaseException] = {}
        self.asking: dict[int, tuple[PauseInfo, NodeSpan | None]] = {}
        self.closing = False
        caller = asyncio.current_task()
        assert caller is not None
        self.caller = caller
        self.cancelled_before = caller.cancelling()
        """so many cancellations of the calling task had been caught, and kept, before"""

    async def run(self, given: dict[str, Any]) -> Ending:
        m, desk = self.m, self.setting.desk
        m.apply(ev.Started(self.prepared.start(given)))
        try:
            self._answer_early()
            self._go_on()
            self.check()
            await self.over
        finally:
            self.closing = True
            for timer in self.sleeping.values():
                timer.cancel()
            if m.status != "paused":
                for pause, _ in self.asking.values():
                    desk.forget(pause.pause_id)
            await drained(self.tasks)
        end = ending(self.compiled, m, self.errors, self.setting)
        if m.status == "paused":
            end.pauses = desk.pauses(self.setting.stem)
        return end

    # -- what the machine wants done

    def _apply(self, event: ev.Event) -> None:
        self.m.apply(event)
        self._go_on()

    def _go_on(self) -> None:
        m = self.m
        for c in m.take():
            if type(c) is Wake:
                assert c.at is not None
                delay_s = max(0.0, c.at / 1e6 - time.monotonic())
                self.sleeping[c.node] = self.loop.call_later(delay_s, self._ring, c.node)
            else:
                assert type(c) is Execute
                task = self.loop.create_task(self._execute(c), context=self.context.copy())
                self.running += 1
                self.tasks.add(task)
                task.add_done_callback(self._ended)
        if m.halted and self.sleeping:
            for timer in self.sleeping.values():
                timer.cancel()
            self.sleeping.clear()

    def _ring(self, i: int) -> None:
        del self.sleeping[i]
        self._apply(ev.TimerFired(i))

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        self.running -= 1
        if not self.over.done():
            if task.cancelled():  # with the loop
                self.over.set_exception(asyncio.CancelledError())
            elif (error := task.exception()) is not None:  # a defect of ours
                self.over.set_exception(error)
        self.check()

    def check(self) -> None:
        """Whether the run is over, or has nothing left but questions."""
        if self.over.done() or self.running > self.resting or self.sleeping:
            return
        if self.setting.desk.live and (self.running or self.m.asked):
            if not self.idle:
                self.idle = True
                self.above.rests()
        elif not self.running:
            self.over.set_result(None)

    # -- one node

    async def _execute(self, c: Execute) -> None:
        i = c.node
        node = self.compiled.nodes[i]
        event: ev.Event
        own_decimals()
        try:
            event = await self._perform(c, i, node)
        except BaseException as raised:
            if is_cancellation(raised) and self._is_cancelled():
                raise
            self.errors[i] = error = failure_of(raised)  # it is the node's end, and raised when the run is over
            located_at(error, node)
            event = failure(node, c, error)
        if not self.closing:
            self._apply(event)
            if i in self.m.asked and i in self.asking:
                self._put_question(i)

    def _is_cancelled(self) -> bool:
        """Whether the run is cancelled; a body may have been by others, or by itself."""
        return self.closing or self.caller.cancelling() > self.cancelled_before

    async def _perform(self, c: Execute, i: int, node: Node) -> ev.Event:
        if isinstance(node, GraphNode):
            inputs = self.compiled.inputs(self.m, i)
            done = await perform_nested_async(node, i, inputs, self.setting, self.watch, self)
            return ev.Asked(i, c.fence, None) if done is None else ev.Succeeded(i, c.fence, done.values)
        permit = _Permit(self.permits)
        if self.permits is not None:
            await self.permits.acquire()
        try:
            if self.permits is not None and self.m.halted:  # it has waited, and has not begun
                return ev.Cancelled(i, c.fence)
            inputs = self.compiled.inputs(self.m, i)
            if isinstance(node, InterruptNode):
                return await self._ask(c, i, node, inputs, permit)
            call, watch, memo = self.compiled.calls[i], self.watch, self.setting.memo
            if not node.is_async:
                done = await in_thread(lambda: perform(call, inputs, watch, memo, self._awaited))
            elif node.timeout is None:
                done = await perform_async(call, inputs, watch, memo)
            else:
                limit = asyncio.timeout(node.timeout)
                try:
                    async with limit:
                        done = await perform_async(call, inputs, watch, memo)
                except TimeoutError as error:
                    if not limit.expired():
                        raise
                    raise TimeoutError(f"node {node.name!r} ran longer than {node.timeout:g} s") from error
            return ev.Succeeded(i, c.fence, done.values, done.decision)
        finally:
            permit.give_back()

    def _awaited(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """From a worker thread: await in the loop of the run."""
        return await_in(self.loop, coroutine)

    # -- questions

    def _answer_early(self) -> None:
        """Answers given with the inputs: each is used by the first question."""
        answers = self.setting.answers
        if not answers:
            return
        for i, node in enumerate(self.compiled.nodes):
            pause_id = self.setting.stem + node.name
            if isinstance(node, InterruptNode) and pause_id in answers:
                done = self.compiled.calls[i].answered(answers.pop(pause_id))
                self.m.apply(ev.Answered(i, done.values))

    async def _ask(
        self, c: Execute, i: int, node: InterruptNode[..., Any], inputs: dict[str, Any], permit: _Permit
    ) -> ev.Event:
        if self.m.early.get(i):
            return ev.Asked(i, c.fence, None)  # the machine has the answer
        call = self.compiled.calls[i]
        with spanned(self.watch, node, inputs) as spanning:
            span = cast("NodeSpan | None", spanning)
            if node.is_async:
                shown = await call.raw(inputs, span)
            elif node.input_param is None:
                shown = await in_thread(lambda: call.raw(inputs, span))
            else:
                shown = call.raw(inputs, span)
            if type(shown) is CoroutineType:  # out of a plain wrapper
                shown = await shown
            pause = self._pause(node, shown)
            if span is not None:
                span.asked(pause)
                await span.room()
            handlers = self.setting.handlers
            handler = handlers.get(pause.pause_id) or handlers.get(node.name)
            if handler is None:
                self.asking[i] = (pause, span)
                return ev.Asked(i, c.fence, None)
            permit.give_back()  # who answers is no body of the graph
            answer = handler(shown)
            done = call.answered(await answer if inspect.isawaitable(answer) else answer)
            if span is not None:
                span.done(call.named(done))
            return ev.Succeeded(i, c.fence, done.values)

    def _pause(self, node: InterruptNode[..., Any], shown: Any) -> PauseInfo:
        pause_id = self.setting.stem + node.name
        param = outermost_name(self.setting.path, node.response_param)
        return PauseInfo(
            node=pause_id,
            response_param=pause_id if param is None else param,
            value=shown,
            pause_id=pause_id,
        )

    def _put_question(self, i: int) -> None:
        pause, _ = self.asking[i]
        self.setting.desk.ask((*self.setting.order, i), pause, lambda answer: self._answer(i, answer), self._close)

    def _answer(self, i: int, answer: Any) -> None:
        call = self.compiled.calls[i]
        done = call.answered(answer)
        _, span = self.asking.pop(i)
        if span is not None:
            span.done(call.named(done))
        self.stir()
        self._apply(ev.Answered(i, done.values))
        self.check()

    def _close(self) -> None:
        self.stir()
        self.check()


class _Permit:
    """A permit a body has, given back once."""

    __slots__ = ("_budget",)

    def __init__(self, budget: limiter.Budget | None) -> None:
        self._budget = budget

    def give_back(self) -> None:
        if self._budget is not None:
            self._budget.release()
            self._budget = None
