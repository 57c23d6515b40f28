"""Driver of runs on an event loop: ready nodes start at once, coroutines as tasks, plain functions in threads.

After a failure running nodes finish and no further ones start.  When the run is cancelled, coroutines are cancelled and
threads are waited for.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from collections.abc import Coroutine
from types import CoroutineType
from typing import TYPE_CHECKING, Any, cast

from holdwater.graphs.node_call import call_function, call_function_async
from holdwater.graphs.node_listener import observed
from holdwater.graphs.nodes.interrupts import InterruptNode
from holdwater.graphs.nodes.nested import GraphNode
from holdwater.kernel import Machine
from holdwater.model import events as ev
from holdwater.model.cancellation_token import is_cancellation, to_node_failure
from holdwater.model.commands import Execute, StartTimer
from holdwater.model.context_isolation import detach_decimal_context
from holdwater.runners.graphs.local import limiter
from holdwater.runners.graphs.local.errors import failed_event, outcome_of
from holdwater.runners.graphs.local.idle_tracker import IdleTracker, cancel_and_wait
from holdwater.runners.graphs.local.nesting import call_nested_graph_async, note_node_location
from holdwater.runners.graphs.local.pending_inputs import PauseInfo
from holdwater.runners.graphs.local.prepare import outermost_name
from holdwater.runners.graphs.local.retry_times import seconds_until
from holdwater.runners.graphs.local.run_context import RunContext
from holdwater.runners.graphs.local.run_outcome import RunOutcome
from holdwater.runners.graphs.local.threads import await_from_thread, run_in_thread

if TYPE_CHECKING:
    from holdwater.graphs.nodes.base import Node
    from holdwater.runners.graphs.local.prepare import PreparedGraph
    from holdwater.runners.graphs.local.spans import NodeSpan, RunSpan


async def run_graph(prepared: PreparedGraph, inputs: dict[str, Any], run_context: RunContext) -> RunOutcome:
    """Run a graph once.  Exceptions of nodes are part of the outcome; a cancellation is raised after all have ended."""
    watch = run_context.make_run_span(prepared.compiled.graph)
    if watch is None:
        return await _AsyncDriver(prepared, run_context, None).run(inputs)
    watch.emit_start(inputs, node_count=len(prepared.compiled.nodes))
    try:
        end = await _AsyncDriver(prepared, run_context, watch).run(inputs)
    except BaseException as error:
        watch.emit_end(RunOutcome({}, error))
        raise
    watch.emit_end(end)
    await watch.event_sink.drain()
    return end


class _AsyncDriver(IdleTracker):
    """One run of a graph."""

    def __init__(self, prepared: PreparedGraph, run_context: RunContext, run_span: RunSpan | None) -> None:
        super().__init__(run_context.parent_run)
        self.prepared, self.run_context, self.run_span = prepared, run_context, run_span
        self.compiled = prepared.compiled
        self.machine = Machine(self.compiled.plan_with_limit(run_context.max_iterations))
        self.loop = asyncio.get_running_loop()
        # A function must not see context variables set by an earlier one.
        self.context_vars = contextvars.copy_context()
        self.limiter = limiter.current_limiter()
        self.finished: asyncio.Future[None] = self.loop.create_future()
        self.tasks: set[asyncio.Task[None]] = set()
        self.retry_timers: dict[int, asyncio.TimerHandle] = {}
        self.errors: dict[int, BaseException] = {}
        self.open_interrupts: dict[int, tuple[PauseInfo, NodeSpan | None]] = {}
        self.closing = False
        caller = asyncio.current_task()
        assert caller is not None
        self.caller_task = caller
        self.initial_cancel_count = caller.cancelling()
        """cancellations of the calling task before the run (`Task.cancelling`)"""

    async def run(self, inputs: dict[str, Any]) -> RunOutcome:
        m, desk = self.machine, self.run_context.pending_inputs
        m.apply(ev.Started(self.prepared.machine_inputs(inputs)))
        try:
            self._apply_early_answers()
            self._issue_commands()
            self.update()
            await self.finished
        finally:
            self.closing = True
            for timer in self.retry_timers.values():
                timer.cancel()
            if m.status != "paused":
                for pause, _ in self.open_interrupts.values():
                    desk.discard(pause.pause_id)
            await cancel_and_wait(self.tasks)
        end = outcome_of(self.compiled, m, self.errors, self.run_context)
        if m.status == "paused":
            end.pauses = desk.pauses(self.run_context.pause_id_prefix)
        return end

    # -- commands of the machine

    def _apply_event(self, event: ev.Event) -> None:
        self.machine.apply(event)
        self._issue_commands()

    def _issue_commands(self) -> None:
        m = self.machine
        for c in m.take_commands():
            if type(c) is StartTimer:
                assert c.at is not None
                self.retry_timers[c.node] = self.loop.call_later(seconds_until(c.at), self._fire_timer, c.node)
            else:
                assert type(c) is Execute
                task = self.loop.create_task(self._run_node(c), context=self.context_vars.copy())
                self.running_count += 1
                self.tasks.add(task)
                task.add_done_callback(self._on_task_done)
        if m.halted and self.retry_timers:
            for timer in self.retry_timers.values():
                timer.cancel()
            self.retry_timers.clear()

    def _fire_timer(self, i: int) -> None:
        del self.retry_timers[i]
        self._apply_event(ev.TimerFired(i))

    def _on_task_done(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        self.running_count -= 1
        if not self.finished.done():
            if task.cancelled():  # by the shutdown of the loop
                self.finished.set_exception(asyncio.CancelledError())
            elif (error := task.exception()) is not None:  # a bug of this package
                self.finished.set_exception(error)
        self.update()

    def update(self) -> None:
        """Check if the run has ended, or only waits for answers, and wake its waiters."""
        if self.finished.done() or self.running_count > self.idle_count or self.retry_timers:
            return
        if self.run_context.pending_inputs.accepts_answers and (self.running_count or self.machine.pending_inputs):
            if not self.is_idle:
                self.is_idle = True
                self.parent_run.on_child_idle()
        elif not self.running_count:
            self.finished.set_result(None)

    # -- one node

    async def _run_node(self, c: Execute) -> None:
        i = c.node
        node = self.compiled.nodes[i]
        event: ev.Event
        detach_decimal_context()
        try:
            event = await self._call_node(c, i, node)
        except BaseException as raised:
            if is_cancellation(raised) and self._is_cancelled():
                raise
            self.errors[i] = error = to_node_failure(raised)  # raised when the run has ended
            note_node_location(error, node)
            event = failed_event(node, c, error)
        if not self.closing:
            self._apply_event(event)
            if i in self.machine.pending_inputs and i in self.open_interrupts:
                self._add_pending_input(i)

    def _is_cancelled(self) -> bool:
        """Return True if the run, and not only a function in it, is cancelled."""
        return self.closing or self.caller_task.cancelling() > self.initial_cancel_count

    async def _call_node(self, c: Execute, i: int, node: Node) -> ev.Event:
        if isinstance(node, GraphNode):
            inputs = self.compiled.node_inputs(self.machine, i)
            done = await call_nested_graph_async(node, i, inputs, self.run_context, self.run_span, self)
            return ev.InputRequested(i, c.fence, None) if done is None else ev.Succeeded(i, c.fence, done.values)
        permit = _Permit(self.limiter)
        if self.limiter is not None:
            await self.limiter.acquire()
        try:
            if self.limiter is not None and self.machine.halted:  # the run halted while it waited for the permit
                return ev.Cancelled(i, c.fence)
            inputs = self.compiled.node_inputs(self.machine, i)
            if isinstance(node, InterruptNode):
                return await self._run_interrupt(c, i, node, inputs, permit)
            call, watch, memo = self.compiled.calls[i], self.run_span, self.run_context.node_cache
            if not node.is_async:
                done = await run_in_thread(lambda: call_function(call, inputs, watch, memo, self._await_in_loop))
            elif node.timeout is None:
                done = await call_function_async(call, inputs, watch, memo)
            else:
                limit = asyncio.timeout(node.timeout)
                try:
                    async with limit:
                        done = await call_function_async(call, inputs, watch, memo)
                except TimeoutError as error:
                    if not limit.expired():
                        raise
                    raise TimeoutError(f"node {node.name!r} ran longer than {node.timeout:g} s") from error
            return ev.Succeeded(i, c.fence, done.values, done.decision)
        finally:
            permit.release()

    def _await_in_loop(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Await a coroutine in the loop of the run, from a worker thread."""
        return await_from_thread(self.loop, coroutine)

    # -- questions

    def _apply_early_answers(self) -> None:
        """Apply answers given with the inputs, each to the first question of its interrupt."""
        answers = self.run_context.answers
        if not answers:
            return
        for i, node in enumerate(self.compiled.nodes):
            pause_id = self.run_context.pause_id_prefix + node.name
            if isinstance(node, InterruptNode) and pause_id in answers:
                done = self.compiled.calls[i].answer_result(answers.pop(pause_id))
                self.machine.apply(ev.InputProvided(i, done.values))

    async def _run_interrupt(
        self, c: Execute, i: int, node: InterruptNode[..., Any], inputs: dict[str, Any], permit: _Permit
    ) -> ev.Event:
        if self.machine.early_inputs.get(i):
            return ev.InputRequested(i, c.fence, None)  # the machine has the answer already already
        call = self.compiled.calls[i]
        with observed(self.run_span, node, inputs) as spanning:
            span = cast("NodeSpan | None", spanning)
            if node.is_async:
                shown = await call.invoke(inputs, span)
            elif node.input_param is None:
                shown = await run_in_thread(lambda: call.invoke(inputs, span))
            else:
                shown = call.invoke(inputs, span)
            if type(shown) is CoroutineType:  # returned by a plain wrapper of a coroutine function
                shown = await shown
            pause = self._make_pause(node, shown)
            if span is not None:
                span.emit_interrupt(pause)
                await span.drain()
            handlers = self.run_context.handlers
            handler = handlers.get(pause.pause_id) or handlers.get(node.name)
            if handler is None:
                self.open_interrupts[i] = (pause, span)
                return ev.InputRequested(i, c.fence, None)
            permit.release()  # handlers do not count towards the limit of concurrent functions
            answer = handler(shown)
            done = call.answer_result(await answer if inspect.isawaitable(answer) else answer)
            if span is not None:
                span.emit_end(call.outputs_by_name(done))
            return ev.Succeeded(i, c.fence, done.values)

    def _make_pause(self, node: InterruptNode[..., Any], value: Any) -> PauseInfo:
        pause_id = self.run_context.pause_id_prefix + node.name
        param = outermost_name(self.run_context.path, node.response_param)
        return PauseInfo(
            node=pause_id,
            response_param=pause_id if param is None else param,
            value=value,
            pause_id=pause_id,
        )

    def _add_pending_input(self, i: int) -> None:
        pause, _ = self.open_interrupts[i]
        self.run_context.pending_inputs.add(
            (*self.run_context.position, i), pause, lambda answer: self._apply_answer(i, answer), self._on_inputs_closed
        )

    def _apply_answer(self, i: int, answer: Any) -> None:
        call = self.compiled.calls[i]
        done = call.answer_result(answer)
        _, span = self.open_interrupts.pop(i)
        if span is not None:
            span.emit_end(call.outputs_by_name(done))
        self.mark_active()
        self._apply_event(ev.InputProvided(i, done.values))
        self.update()

    def _on_inputs_closed(self) -> None:
        self.mark_active()
        self.update()


class _Permit:
    """A permit of the limiter, released once."""

    __slots__ = ("_limiter",)

    def __init__(self, capacity_limiter: limiter.CapacityLimiter | None) -> None:
        self._limiter = capacity_limiter

    def release(self) -> None:
        if self._limiter is not None:
            self._limiter.release()
            self._limiter = None
