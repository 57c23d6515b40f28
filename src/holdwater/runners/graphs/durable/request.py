"""A run of a graph on the record, as a runner asks for it."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from holdwater.errors import ConfigError, HoldwaterError
from holdwater.graphs.inputs import resolve_inputs
from holdwater.model.coroutines import to_its_end
from holdwater.runners.graphs.durable.local_caller import Caller
from holdwater.runners.graphs.local.pending_inputs import PauseInfo
from holdwater.runners.graphs.local.prepare import Names, split_answers
from holdwater.runners.graphs.local.run_context import Ending, Setting, new_run_id

if TYPE_CHECKING:
    from holdwater.graphs.graph import Graph
    from holdwater.runners.graphs.arguments import Resume
    from holdwater.runners.graphs.durable.checkpointers import Checkpointer
    from holdwater.runners.graphs.durable.runs import Recorder

_UNBOUND = object()


@dataclass(frozen=True, slots=True)
class Order:
    """What a caller wants of a recorded run.  `outputs`: what to return; `partial`: what of a run that failed."""

    recorder: Recorder
    graph: Graph
    run_id: str
    given: Mapping[str, Any]
    outputs: tuple[str, ...]
    partial: tuple[str, ...]
    caller: Caller
    strict: bool
    """nothing but answers is given to a run that there is, and a completed one is over"""
    resumes: bool
    """the run was recorded before: this call goes on with it"""


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
    begun = recorder.known(run_id)
    known = begun or frozenset()
    inputs, values, keywords, setting.answers = split_answers(graph, inputs, values, keywords, known=known)
    resolved = resolve_inputs(graph, inputs, values=values, keywords=keywords, known=known)
    given = {name: value for name, value in resolved.values.items() if value is not graph.bound.get(name, _UNBOUND)}
    scope = graph.scope(select)  # that of a whole run, whatever it has been given by now
    return Order(
        recorder,
        graph,
        run_id,
        given,
        scope.outputs,
        scope.partial,
        Caller(graph, setting, loop),
        strict=resume == "strict",
        resumes=begun is not None,
    )


async def ordered_async(*wanted: Any) -> Order:
    """The same from a loop, which is where the run's coroutines will live."""
    return await asyncio.to_thread(partial(ordered, *wanted, loop=asyncio.get_running_loop()))


def run(order: Order) -> Ending:
    """Begin or go on, and wait in this thread until the run has ended or waits for a person.

    Raises what `Recorder.begin` raises; what a node raises is in the ending.
    """
    recorder = order.recorder
    attending = recorder.engine.attending(order.run_id, order.caller.cancel)
    with recorder.calling(order), _told(order) as tell, attending:
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
        except HoldwaterError:
            raise
        except BaseException:
            await to_its_end(_abandoned(order, begun))
            raise
        finally:
            await order.caller.settled()


async def _abandoned(order: Order, begun: asyncio.Future[None]) -> None:
    await asyncio.wait([begun])
    if begun.exception() is None:
        await order.recorder.abandon(order)


async def _asked(caller: Caller, pauses: tuple[PauseInfo, ...]) -> dict[str, Any]:
    """Tell of open questions, and wait for an answer if there is anybody to give one."""
    watch = caller.watches.get(caller.setting.workflow_id or "")
    for pause in pauses:
        if watch is not None and pause.pause_id not in caller.told:
            watch.asked(pause)
        caller.told.add(pause.pause_id)
    answers: dict[str, Any] = {}
    for pause in pauses:  # asked before there was a handler
        handler = caller.setting.handlers.get(pause.pause_id) or caller.setting.handlers.get(_name_of(pause))
        if handler is not None:
            said = handler(pause.value)
            answers[pause.pause_id] = await said if inspect.isawaitable(said) else said
    desk = caller.setting.desk
    if answers or not pauses or not desk.live:
        return answers
    stirred = asyncio.Event()

    def answer(pause_id: str, value: Any) -> None:
        answers[pause_id] = caller.accepted(pause_id, value)
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


def _name_of(pause: PauseInfo) -> str:
    return pause.pause_id.rpartition("/")[2]


@contextmanager
def _told(order: Order) -> Iterator[Callable[[Ending], Ending]]:
    """The beginning and the end of a run, for those who listen."""
    watch = order.caller.part(order.run_id).listener
    if watch is None:
        yield lambda ending: ending
        return
    watch.started(order.given, node_count=len(order.graph.nodes), is_resume=order.resumes)
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
        order.caller.close(last)
        watch.ended(last)
