"""Requests of recorded runs: preparation, execution, and answers while they run."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from holdwater.errors import ConfigError, HoldwaterError
from holdwater.graphs.inputs import resolve_inputs
from holdwater.model.coroutines import await_shielded
from holdwater.runners.graphs.durable.local_caller import LocalCaller
from holdwater.runners.graphs.durable.runs import DurableRequest
from holdwater.runners.graphs.local.pending_inputs import PauseInfo
from holdwater.runners.graphs.local.prepare import GivenInputs, OptionalNames, split_answers
from holdwater.runners.graphs.local.run_context import RunContext, new_run_id
from holdwater.runners.graphs.local.run_outcome import RunOutcome

if TYPE_CHECKING:
    from holdwater.graphs.graph_protocol import GraphProtocol
    from holdwater.runners.graphs.arguments import ResumeMode
    from holdwater.runners.graphs.durable.checkpointers import Checkpointer

_NOT_BOUND = object()


def prepare_durable(
    checkpointer: Checkpointer,
    graph: GraphProtocol,
    run_context: RunContext,
    inputs: GivenInputs,
    select: OptionalNames,
    entrypoint: OptionalNames,
    resume: ResumeMode,
    *,
    loop: asyncio.AbstractEventLoop | None = None,
) -> DurableRequest:
    """Read the values an existing run has and check the inputs against them.  A run without an id gets one.

    Raises MissingInputError, InputError, GraphConfigError, ConfigError for an entry point, StoreUnavailable,
    RunnerClosed.
    """
    if entrypoint is not None:
        raise ConfigError(
            "entrypoint= is not for recorded runs: a resumed run must compile the same graph",
            hint="graph.with_entrypoint(...)",
        )
    recorder = checkpointer.durable_runs
    run_context.workflow_id = run_id = run_context.workflow_id or run_context.run_id or new_run_id()
    begun = recorder.known_value_names(run_id)
    known = begun or frozenset()
    inputs, run_context.answers = split_answers(graph, inputs, known_names=known)
    resolved = resolve_inputs(
        graph,
        inputs.inputs,
        values=inputs.values,
        keywords=inputs.keywords,
        known_names=known,
        option_names=inputs.option_names,
    )
    given = {name: value for name, value in resolved.values.items() if value is not graph.bound.get(name, _NOT_BOUND)}
    scope = graph.scope(select)  # of the whole run, independent of the inputs given so far
    return DurableRequest(
        recorder,
        graph,
        run_id,
        given,
        scope.outputs,
        scope.partial_outputs,
        LocalCaller(graph, run_context, loop),
        strict=resume == "strict",
        is_resume=begun is not None,
    )


async def prepare_durable_async(*arguments: Any) -> DurableRequest:
    """Prepare a request as `prepare_durable` does, from the event loop that will run its coroutines."""
    return await asyncio.to_thread(partial(prepare_durable, *arguments, loop=asyncio.get_running_loop()))


def run_durable(request: DurableRequest) -> RunOutcome:
    """Start or resume a run, and wait in this thread until it has ended or paused.

    The exception of a node is part of the outcome.  Raises StructureChanged, RunInProgress, EncodingError,
    PauseNotFound, AnswerError, StoreUnavailable, RunnerClosed.
    """
    recorder = request.durable_runs
    attending = recorder.engine.pause_on_interrupt(request.run_id, request.caller.cancel)
    with recorder.attached(request), _run_span(request) as tell, attending:
        recorder.start_or_resume(request)
        recorder.wait_for_run(request.run_id)
        return tell(recorder.read_outcome(request))


async def run_durable_async(request: DurableRequest) -> RunOutcome:
    """Run as `run_durable` does, in an event loop; questions go to handlers and `respond` before the run pauses."""
    recorder = request.durable_runs
    with recorder.attached(request), _run_span(request) as tell:
        begun = asyncio.ensure_future(asyncio.to_thread(recorder.start_or_resume, request))
        try:
            await asyncio.shield(begun)
            while True:
                await recorder.wait_for_run_async(request.run_id)
                ending = await asyncio.to_thread(recorder.read_outcome, request)
                answers = await _collect_answers(request.caller, ending.pauses)
                if not answers:
                    return tell(ending)
                await asyncio.to_thread(recorder.submit_answers, request.run_id, answers)
        except HoldwaterError:
            raise
        except BaseException:
            await await_shielded(_pause_after_cancel(request, begun))
            raise
        finally:
            await request.caller.wait_until_idle()


async def _pause_after_cancel(request: DurableRequest, start_task: asyncio.Future[None]) -> None:
    await asyncio.wait([start_task])
    if start_task.exception() is None:
        await request.durable_runs.pause_on_cancel(request)


async def _collect_answers(caller: LocalCaller, pauses: tuple[PauseInfo, ...]) -> dict[str, Any]:
    """Send the events of open questions, and wait for an answer if one can be given while the run is active."""
    watch = caller.run_spans.get(caller.run_context.workflow_id or "")
    for pause in pauses:
        if watch is not None and pause.pause_id not in caller.announced:
            watch.emit_interrupt(pause)
        caller.announced.add(pause.pause_id)
    answers: dict[str, Any] = {}
    for pause in pauses:  # of an earlier call without these handlers
        handler = caller.run_context.handlers.get(pause.pause_id) or caller.run_context.handlers.get(
            _interrupt_name(pause)
        )
        if handler is not None:
            said = handler(pause.value)
            answers[pause.pause_id] = await said if inspect.isawaitable(said) else said
    desk = caller.run_context.pending_inputs
    if answers or not pauses or not desk.accepts_answers:
        return answers
    stirred = asyncio.Event()

    def answer(pause_id: str, value: Any) -> None:
        answers[pause_id] = caller.validate_answer(pause_id, value)
        desk.on_child_active()  # now: the iteration checks if the run is idle before this coroutine continues
        stirred.set()

    for k, pause in enumerate(pauses):
        desk.add((k,), pause, partial(answer, pause.pause_id), stirred.set)
    desk.on_child_idle()
    await stirred.wait()
    for pause in pauses:
        desk.discard(pause.pause_id)
    caller.announced -= answers.keys()  # in a loop of the graph it may be asked again
    return answers


def _interrupt_name(pause: PauseInfo) -> str:
    return pause.pause_id.rpartition("/")[2]


@contextmanager
def _run_span(request: DurableRequest) -> Iterator[Callable[[RunOutcome], RunOutcome]]:
    """Send the start and the end of a run to its listeners."""
    watch = request.caller.caller_run(request.run_id).listener
    if watch is None:
        yield lambda ending: ending
        return
    watch.emit_start(request.inputs, node_count=len(request.graph.nodes), is_resume=request.is_resume)
    last = RunOutcome({})

    def tell(ending: RunOutcome) -> RunOutcome:
        nonlocal last
        last = ending
        return ending

    try:
        yield tell
    except BaseException as error:
        last = RunOutcome({}, error)
        raise
    finally:
        request.caller.end_nested_spans(last)
        watch.emit_end(last)
