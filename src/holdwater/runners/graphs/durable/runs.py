"""The runs of graphs on one engine: begun, or gone on with where they stopped, and waited for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, WeakMethod

from holdwater.errors import (
    GraphFailed,
    InvalidTransition,
    PauseNotFound,
    RunInProgress,
    RunnerClosed,
    StructureChanged,
)
from holdwater.graphs.definition import GraphWorkflowDefinition
from holdwater.graphs.nodes.nested import GraphNode
from holdwater.model.statuses import RunStatus
from holdwater.model.values import StoredValue
from holdwater.runners.graphs.durable.local_caller import CallerRun, LocalCaller
from holdwater.runners.graphs.local.errors import deadlock_error, infinite_loop_error
from holdwater.runners.graphs.local.pending_inputs import PauseInfo
from holdwater.runners.graphs.local.prepare import outermost_name
from holdwater.runners.graphs.local.run_outcome import RunOutcome
from holdwater.runtime.future import wrap_future

if TYPE_CHECKING:
    from holdwater.engine import Engine
    from holdwater.graphs.graph_protocol import GraphProtocol
    from holdwater.runs.open_pauses import Pause
    from holdwater.runs.view import RunView


@dataclass(frozen=True, slots=True)
class DurableRequest:
    """The request of a caller for a recorded run.

    `outputs`: names of outputs to return; `partial_outputs`: those of a failed run.
    """

    durable_runs: DurableGraphRuns
    graph: GraphProtocol
    run_id: str
    inputs: Mapping[str, Any]
    outputs: tuple[str, ...]
    partial_outputs: tuple[str, ...]
    caller: LocalCaller
    strict: bool
    """True for `resume="strict"`: an existing run accepts answers only, and a completed one cannot be resumed"""
    is_resume: bool
    """True if the run existed before this call"""


class DurableGraphRuns:
    """The runs of graphs on one engine."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._callers: dict[str, LocalCaller] = {}

    def known_value_names(self, run_id: str) -> frozenset[str] | None:
        """Names of values that a run has; None if there is none of this id.  Raises StoreError."""
        run = self.engine.reader.find(run_id)
        return None if run is None else frozenset(run.result) | run.inputs.keys()

    @contextmanager
    def attached(self, request: DurableRequest) -> Iterator[None]:
        """Attach the caller's functions, listeners and handlers to the run in this block.  Raises RunInProgress."""
        run_id = request.run_id
        if self._callers.setdefault(run_id, request.caller) is not request.caller:
            raise RunInProgress(
                f"workflow {run_id!r} is being run in this process now", hint="wait for that, or use another id"
            )
        try:
            yield
        finally:
            del self._callers[run_id]

    def start_or_resume(self, request: DurableRequest) -> None:
        """Begin a run, or go on with the one of this id; returns when that is on disk.

        Raises StructureChanged, RunInProgress, EncodingError, PauseNotFound, AnswerError, StoreUnavailable,
        RunnerClosed.
        """
        engine, run_id, given, caller = self.engine, request.run_id, request.inputs, request.caller
        program = self._get_definition(request.graph)
        engine.registry.register(program)
        run = engine.reader.find(run_id)
        if run is None:
            limited = program.variant(program.variant_description(given, caller.run_context.max_iterations))
            engine.start_run(limited, given, run_id=run_id)
            return
        if run.info.workflow != program.plan.name:
            raise StructureChanged(
                f"workflow {run_id!r} is a run of graph {run.info.workflow!r}, and not of {program.plan.name!r}",
                hint="give every graph ids of its own",
            )
        engine.check_structure(run)
        changed = _changed_inputs(run, given)
        if request.strict:
            _check_strict_resume(run, changed)
        self._check_repeated_answers(run, caller, changed)
        if changed:  # inputs win: what they change is asked again, and then answered
            self._resume(run_id, changed)
            self.submit_answers(run_id, caller.answers)
            return
        given_answers = tuple(caller.answers)
        answered = self.submit_answers(run_id, caller.answers)
        if run.status in (RunStatus.FAILED, RunStatus.CANCELLED) or run.is_suspended:
            self._resume(run_id, {})
        elif run.status == RunStatus.RUNNING:
            if not answered:
                self._resume(run_id, {})
        elif given_answers and not answered:
            raise self._pause_not_found_error(run_id, given_answers, f"it is {run.status}")

    def _check_repeated_answers(
        self, run: RunView, caller: LocalCaller, changed_inputs: Mapping[str, StoredValue]
    ) -> None:
        """Answers to questions of this graph that were answered before say the same, and are taken out.

        Those of questions that the changed inputs put anew stay.  Raises PauseNotFound, AnswerError, EncodingError.
        """
        anew = run.downstream_of(changed_inputs)
        by_name = {node.name: node for node in run.nodes}
        for pause_id in list(caller.answers):
            node = by_name.get(pause_id)
            if node is None or not node.completions or node.is_outstanding or node.loop:
                continue
            if node.name not in anew:
                answer = caller.validate_answer(pause_id, caller.answers.pop(pause_id))
                if next(iter(run.outputs_of(node.name).values())) != StoredValue.encode(answer):
                    raise self._pause_not_found_error(run.id, [pause_id], "it was answered otherwise before")

    def _pause_not_found_error(self, run_id: str, keys: Iterable[str], reason: str) -> PauseNotFound:
        ids = ", ".join([repr(pause.pause_id) for pause in self.engine.reader.pauses(run_id)]) or "none"
        return PauseNotFound(
            f"workflow {run_id!r} does not ask {', '.join(map(repr, keys))} now: {reason}",
            hint=f"open questions: {ids}; checkpointer.fork(...) begins a workflow that is answered otherwise",
        )

    def _resume(self, run_id: str, changed_inputs: Mapping[str, StoredValue]) -> None:
        try:
            self.engine.control.continue_here(run_id, changed_inputs)
        except InvalidTransition:  # it may have come to its end since it was looked at
            if changed_inputs or self.engine.reader.row(run_id).status != "completed":
                raise

    def submit_answers(self, run_id: str, answers: dict[str, Any]) -> bool:
        """Give the open questions their answers, by pause id, and take these out; whether there was one.

        What rested because of the questions goes on here.
        Raises PauseNotFound, EncodingError, AnswerError, StoreUnavailable, RunnerClosed.
        """
        found = [pause for pause in self.engine.reader.pauses(run_id) if pause.pause_id in answers] if answers else []
        for pause in found:
            self.engine.control.submit_answer(pause, answers.pop(pause.pause_id))
        if found:
            self.engine.control.claim(run_id)
        return bool(found)

    def read_outcome(self, request: DurableRequest) -> RunOutcome:
        """Read the outcome of the run.  Raises StoreError, DecodingError."""
        run = self.engine.reader.view(request.run_id)
        error = self._run_error(run, request.caller)
        outputs = request.outputs if error is None else request.partial_outputs
        pauses = run.pauses if run.status == RunStatus.PAUSED else ()
        return RunOutcome(
            {name: run.result[name].copy() for name in outputs if name in run.result},
            error,
            tuple([self._to_pause_info(request.graph, pause) for pause in pauses]),
            run.supersteps,
        )

    def wait_for_run(self, run_id: str) -> None:
        """Until it has ended, or waits for a person."""
        self.engine.wait_for_run(run_id)

    async def wait_for_run_async(self, run_id: str) -> None:
        """Wait as `wait_for_run` does, in an event loop."""
        await self.engine.wait_for_run_async(run_id)

    async def pause_on_cancel(self, request: DurableRequest) -> None:
        """Its caller was cancelled: pause it for a later caller to go on with, and wait until its bodies have ended."""
        with suppress(RunnerClosed):
            await wrap_future(self.engine.driver.interrupt_run(request.run_id, request.caller.cancel))

    def _get_definition(self, graph: GraphProtocol) -> GraphWorkflowDefinition:
        """Return the definition of a graph, cached on the graph; it refers to this object weakly."""
        known: WeakKeyDictionary[DurableGraphRuns, GraphWorkflowDefinition] = graph.__dict__.setdefault(
            "_durable_definitions", WeakKeyDictionary()
        )
        program = known.get(self)
        if program is None:
            parts = WeakMethod(self._find_caller_run)

            def part(run_id: str) -> CallerRun | None:
                found = parts()
                return None if found is None else found(run_id)

            program = known[self] = GraphWorkflowDefinition(graph, graph.name or "graph", part)
        return program

    def _find_caller_run(self, run_id: str) -> CallerRun | None:
        caller = self._callers.get(run_id.partition("/")[0])
        return None if caller is None else caller.caller_run(run_id)

    def _run_error(self, run: RunView, caller: LocalCaller) -> BaseException | None:
        if run.status == RunStatus.CANCELLED:
            return GraphFailed(f"run {run.id!r} was cancelled{': ' + run.info.reason if run.info.reason else ''}")
        if run.status != RunStatus.FAILED:
            return None
        failures = [(node, node.failure) for node in run.nodes if node.failure is not None]
        stuck = [failure.message for _, failure in failures if failure.category == "deadlock"]
        if stuck:
            return deadlock_error(stuck[0])
        loops = [node.loop for node, failure in failures if failure.category == "loop"]
        limit = run.plan.max_iterations
        if loops and limit is not None:
            return infinite_loop_error(loops[0], limit)
        error: BaseException | None = caller.errors.get(run.id)
        return _recorded_error(run) if error is None else error

    def _to_pause_info(self, graph: GraphProtocol, pause: Pause) -> PauseInfo:
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


def _recorded_error(run: RunView) -> GraphFailed:
    """Create the error of a run that failed in another process, with the recorded tracebacks as notes."""
    error = GraphFailed(run.info.error or "it failed")
    for node in run.nodes:
        if node.traceback:
            error.add_note(f"node {node.name!r}: {node.traceback}")
    return error


def _changed_inputs(run: RunView, inputs: Mapping[str, Any]) -> dict[str, StoredValue]:
    """Return the inputs that differ from those the run has.  Raises EncodingError."""
    given = {name: StoredValue.encode(value) for name, value in inputs.items() if run.has_cell(name)}
    return {name: stored for name, stored in given.items() if run.last_given(name) != stored}


def _check_strict_resume(run: RunView, changed_inputs: Mapping[str, StoredValue]) -> None:
    """Check that a strict resume has no changed inputs.  Raises InvalidTransition."""
    if run.status == RunStatus.COMPLETED:
        raise InvalidTransition(
            f"workflow {run.id!r} is completed", hint='use another id, or resume="merge" to give it new inputs'
        )
    if changed_inputs:
        raise InvalidTransition(
            f"workflow {run.id!r} was begun with other values of {', '.join(map(repr, changed_inputs))}",
            hint='leave them out, fork it with checkpointer.fork(...), or use resume="merge"',
        )
