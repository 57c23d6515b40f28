"""A workflow of steps as the engine runs it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, NoReturn, Protocol

from holdwater.errors import HoldwaterError, StepFailed, TaskCancelled, TaskNotPortable
from holdwater.fingerprint.shallow import digest, rows_of
from holdwater.model.error_report import ErrorText
from holdwater.model.fanout import Spread
from holdwater.model.plan import Plan
from holdwater.model.policies import NodePolicy
from holdwater.model.ports import Body, Program, Style
from holdwater.steps.compile import Course
from holdwater.steps.context import DRY_RUN, WorkflowContext
from holdwater.steps.delta import INPUT, Start, StepDelta
from holdwater.steps.error_categories import is_final
from holdwater.steps.execute import Place, Settings, child_of, work_of, work_of_async
from holdwater.steps.immutable_values import stored, stored_all
from holdwater.steps.result import StepResult, result_of
from holdwater.steps.retry_policy import policy_of
from holdwater.steps.run_data import StepsStyle, StepView
from holdwater.steps.step import ChoiceStep, LambdaStep, MapStep, PipelineStep_, Step, with_own_config
from holdwater.steps.suspension import Ask, Asked, Conversation, Request, asking, has_answer
from holdwater.steps.workflow import Workflow


class Control(Protocol):
    """What a step needs to know of its attempt.  Instants are microseconds since the epoch."""

    @property
    def run_id(self) -> str: ...
    @property
    def began(self) -> int: ...
    @property
    def run_began(self) -> int: ...


@dataclass(slots=True)
class StepPerformance:
    """What a step gave, or what it wants instead."""

    values: tuple[StepDelta, ...] = ()
    decision: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()
    question: None = None
    spread: Spread | None = None
    wait_until: int | None = None


@dataclass(frozen=True, slots=True)
class StepsInput:
    """What a run of steps is started with.

    The params are the workflow's defaults, those of `context` and `params`, later ones over earlier ones; outputs,
    quality, metadata and the batch are those of `context`, the partition that of `context` with `partition` over it.
    """

    params: Mapping[str, Any] | None = None
    partition: Mapping[str, Any] | None = None
    context: WorkflowContext | None = None


class StepsProgram:
    """The program of a workflow of steps.  `settings` hold for the child runs of its steps too.

    `lineage`: the workflows this one is run inside of.
    """

    style: Style = StepsStyle()

    def __init__(
        self,
        workflow: Workflow,
        settings: Settings | None = None,
        *,
        name: str | None = None,
        lineage: tuple[str, ...] = (),
    ) -> None:
        self.workflow = workflow
        self.settings = Settings() if settings is None else settings
        known_as = workflow.name if name is None else name
        self.plan: Plan = workflow.plan if known_as == workflow.name else replace(workflow.plan, name=known_as)
        self._lineage = (*lineage, known_as)
        self._steps = workflow.steps
        self._course = Course(self._steps)
        self._fans = [i for i, step in enumerate(self._steps) if isinstance(step, (MapStep, PipelineStep_))]
        self._children: dict[int, tuple[Any, Program | None]] = {}

    def chosen(self, inputs: Any) -> StepsProgram:
        """This program: there are no variants."""
        return self

    def variant(self, description: str) -> StepsProgram:
        """This program: there are no variants."""
        return self

    def inputs_among(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """All of it: params take anything."""
        return values

    @cached_property
    def code(self) -> str:
        """Fingerprint of handlers and conditions, retry policies and time-outs, those of iterators too."""
        bodies = [(step.name, step.function, self.policy(i)) for i, step in enumerate(self._steps)]
        inner = [child.code for i, child in self.children().items() if isinstance(self._steps[i], MapStep)]
        return digest([*rows_of(bodies), inner])

    def start(self, inputs: Any) -> dict[str, Any]:
        """The cells of a new run from a StepsInput, a WorkflowContext, a mapping (the params) or None.

        Raises EncodingError.
        """
        if isinstance(inputs, WorkflowContext):
            inputs = StepsInput(context=inputs)
        elif not isinstance(inputs, StepsInput):
            inputs = StepsInput(params=inputs)
        params = stored_all(self.workflow.defaults, "defaults")
        given = Start(params)
        before = inputs.context
        if before is not None:
            params.update(before.params.all_stored())
            given = Start(
                params,
                before.partition.all_stored(),
                before.outputs.all_stored(),
                before.quality_metrics.all_stored(),
                before.metadata.all_stored(),
                before.batch_id,
                before.execution.parent_execution_id,
            )
        params.update(stored_all(inputs.params or {}, "params"))
        given.partition.update(stored_all(inputs.partition or {}, "partition"))
        if self.settings.dry_run:
            params[DRY_RUN] = stored(True, DRY_RUN)
        return {INPUT: given}

    def policy(self, node: int) -> NodePolicy:
        """Retries and time-out of a step."""
        return policy_of(self._steps[node], self.settings.default_retry, self.settings.default_timeout_s)

    def is_async(self, node: int) -> bool:
        """Whether the handler is to be awaited.  Where there is a conduct, that is what is called, in a thread."""
        step = self._steps[node]
        return self.settings.conduct is None and isinstance(step, LambdaStep) and step.is_async

    def full_name(self, node: int) -> str:
        """`public::embedded::workflow::step`."""
        return f"public::embedded::{self.plan.name}::{self._steps[node].name}"

    def executor(self, node: int) -> str | None:
        """Left to the runner."""
        return None

    def children(self) -> Mapping[int, Program]:
        """The iterators of maps, and the workflows that are run as pipelines."""
        return _Children(self._fans, self._child)

    def _child(self, node: int) -> Program | None:
        step = self._steps[node]
        source: Any = None
        if isinstance(step, MapStep):
            source = step.iterator_workflow
        elif isinstance(step, PipelineStep_):
            source = child_of(step, self.settings)
        known = self._children.get(node)
        if known is None or known[0] is not source:
            known = self._children[node] = (source, self._made_child(f"{self.plan.name}/{step.name}", source))
        return known[1]

    def _made_child(self, name: str, source: Any) -> Program | None:
        """A registered workflow keeps its name, and its runs are found by it; others have one inside of this one."""
        if isinstance(source, StepsProgram):
            return StepsProgram(source.workflow, self.settings, name=source.plan.name, lineage=self._lineage)
        if isinstance(source, Workflow):
            return StepsProgram(source, self.settings, name=name, lineage=self._lineage)
        made: Program | None = source.program(name) if hasattr(source, "program") else source
        return made

    # -- one attempt

    def perform(self, node: int, view: StepView, control: Control) -> StepPerformance:
        """Carry out a step.  Raises StepFailed, also for what cannot be stored."""
        step, context = self._steps[node], self._context(view, control)
        place = Place(self.settings, lambda: control.began, self._lineage, lambda: self._child(node))

        def conducted(ask: Ask) -> StepResult:
            work = partial(work_of, ask=ask, place=place)
            if self.settings.conduct is None:
                return work(step, context)
            own = with_own_config(step)
            return result_of(self.settings.conduct(own, context, work), f"what is around step {step.name!r}")

        try:
            if self.settings.conduct is None or isinstance(step, (LambdaStep, ChoiceStep)):
                said: Request | StepResult = conducted(asking(view))
            else:
                said = self._talk(node, view, control.run_id, conducted)
        except Asked as asked:
            said = asked.request
        except TaskCancelled:
            raise
        except BaseException as error:  # noqa: BLE001 - what the conduct raises, SystemExit too, fails the step
            said = StepResult.fail(error)
        if isinstance(said, Request):
            return StepPerformance(spread=said.spread, wait_until=said.wait_until)
        return self._left_behind(step, said)

    async def perform_async(self, node: int, view: StepView, control: Control) -> StepPerformance:
        """The same for a handler that is awaited."""
        step = self._steps[node]
        assert isinstance(step, LambdaStep)
        return self._left_behind(step, await work_of_async(step, self._context(view, control)))

    def _context(self, view: StepView, control: Control) -> WorkflowContext:
        return view.context(control.run_id, self.plan.name, control.run_began)

    def _talk(
        self, node: int, view: StepView, run_id: str, conducted: Callable[[Ask], StepResult]
    ) -> Request | StepResult:
        talks = self.settings.conversations
        waiting = talks.take(run_id, node)
        if has_answer(view):
            return conducted(asking(view)) if waiting is None else waiting.answer(view)
        if waiting is not None:  # of an attempt that was given up
            waiting.end()
        conversation = Conversation(conducted)
        said = conversation.begin()
        if isinstance(said, Request):
            talks.put(run_id, node, conversation)
        return said

    def _left_behind(self, step: Step, result: StepResult) -> StepPerformance:
        """What the step leaves behind.  Raises StepFailed."""
        try:
            if result.success:
                return StepPerformance((_delta(step, result),), self._course.passed(step, result))
        except HoldwaterError as error:  # it cannot be stored, or leads nowhere
            result = StepResult.fail(error)
        category = result.error_category or "INTERNAL"
        raise StepFailed(category, result.error or "", is_final(result.cause)) from result.cause

    def answer(self, node: int, value: Any) -> tuple[StepDelta, ...]:
        """Steps ask nothing."""
        return self.style.answer(1, value)

    def accepted(self, node: int, cells: tuple[StepDelta, ...]) -> tuple[StepDelta, ...]:
        """As they are."""
        return cells

    def failed(self, node: int, view: StepView, error: ErrorText) -> tuple[str, ...]:
        """Steps have no observers of their own."""
        return ()

    # -- elsewhere

    def body(self, node: int) -> Body:
        """Raises TaskNotPortable: steps run in threads."""
        self._refuse(node)

    def send(self, node: int, view: StepView) -> tuple[bytes, list[Any]]:
        """Raises TaskNotPortable."""
        self._refuse(node)

    def receive(self, node: int, view: StepView, answer: bytes) -> StepPerformance:
        """Raises TaskNotPortable."""
        self._refuse(node)

    def _refuse(self, node: int) -> NoReturn:
        raise TaskNotPortable(
            f"step {self._steps[node].name!r} of workflow {self.plan.name!r} cannot run in another process",
            hint="take workflows of steps off that executor: route them to the default one",
        )


class _Children(Mapping[int, Program]):
    """Programs of children, each made when somebody asks for it."""

    def __init__(self, nodes: Sequence[int], made: Callable[[int], Program | None]) -> None:
        self._nodes, self._made = nodes, made

    def __getitem__(self, node: int) -> Program:
        child = self._made(node)
        if child is None:
            raise KeyError(node)
        return child

    def __iter__(self) -> Iterator[int]:
        return (node for node in self._nodes if self._made(node) is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _delta(step: Step, result: StepResult) -> StepDelta:
    """Raises EncodingError, which names the step and the key path."""
    who = f"step {step.name!r}"
    quality = None if result.quality is None else stored(result.quality.to_dict(), f"the quality of {who}")
    return StepDelta(
        stored(dict(result.output), f"the output of {who}"),
        stored_all(result.context_updates, f"the context_updates of {who}"),
        quality,
        stored(list(result.events), f"the events of {who}") if result.events else None,
        result.skip_reason,
        result.checkpoint or step.checkpoint,
    )
