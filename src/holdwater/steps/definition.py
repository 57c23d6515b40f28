"""The definition of a workflow of steps as the engine runs it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

from holdwater.errors import BadAnswer
from holdwater.fingerprint.shallow import code_rows, json_digest
from holdwater.model.base_definition import BaseDefinition
from holdwater.model.plan import Plan
from holdwater.model.policies import NodePolicy
from holdwater.model.ports.definition import AuthoringStyle, WorkflowDefinition
from holdwater.model.results import NodeResult
from holdwater.model.value_types.plain_json import to_plain_json
from holdwater.model.workflow_description import WorkflowDescription
from holdwater.steps.attempts import catch_failure, to_node_result
from holdwater.steps.base_workflow import BaseWorkflow
from holdwater.steps.context import DRY_RUN_PARAM, WorkflowContext
from holdwater.steps.delta import INPUT_CELL, RunInput
from holdwater.steps.execute import StepEnvironment, StepSettings, execute_step, execute_step_async, find_child_workflow
from holdwater.steps.immutable_values import encode_value, encode_values
from holdwater.steps.jumps import JumpTable
from holdwater.steps.remote import PicklableStep, StepAttemptInfo, check_request, runs_user_code
from holdwater.steps.result import StepResult, to_step_result
from holdwater.steps.retry_policy import build_node_policy
from holdwater.steps.run_data import StepsStyle, StepView
from holdwater.steps.step import ChoiceStep, LambdaStep, MapStep, RunPipelineStep, Step, WaitStep
from holdwater.steps.step_branches import step_branches
from holdwater.steps.suspension import (
    EngineRequest,
    RequestFn,
    SuspendedStep,
    has_response,
    make_request_fn,
)


@dataclass(frozen=True, slots=True)
class StepsInput:
    """The inputs of a run of steps.

    Params are merged from the workflow's defaults, `context` and `params`, later ones taking precedence, the partition
    from `context` and `partition`.  Outputs, quality metrics, metadata and batch id are those of `context`.
    """

    params: Mapping[str, Any] | None = None
    partition: Mapping[str, Any] | None = None
    context: WorkflowContext | None = None


class StepsWorkflowDefinition(BaseDefinition):
    """The plan of a workflow, and the execution of its steps.

    `settings`: apply to the child runs of its steps, too.  `lineage`: names of the workflows it is run inside of.
    """

    style: AuthoringStyle = StepsStyle()

    def __init__(
        self,
        workflow: BaseWorkflow[Step],
        settings: StepSettings | None = None,
        *,
        name: str | None = None,
        lineage: tuple[str, ...] = (),
    ) -> None:
        self.workflow = workflow
        self.settings = StepSettings() if settings is None else settings
        known_as = workflow.name if name is None else name
        self.plan: Plan = workflow.plan if known_as == workflow.name else replace(workflow.plan, name=known_as)
        self._lineage = (*lineage, known_as)
        self._steps = workflow.steps
        self._jump_table = JumpTable([step.name for step in self._steps])
        self._child_run_nodes = [
            i for i, step in enumerate(self._steps) if isinstance(step, (MapStep, RunPipelineStep))
        ]
        self._child_cache: dict[int, tuple[Any, WorkflowDefinition | None]] = {}

    @cached_property
    def code_fingerprint(self) -> str:
        """Fingerprint of handlers, conditions, retry policies and time-outs, those of iterators included."""
        bodies = [(step.name, step.function, self.policy(i)) for i, step in enumerate(self._steps)]
        inner = [
            child.code_fingerprint
            for i, child in self.child_definitions().items()
            if isinstance(self._steps[i], MapStep)
        ]
        return json_digest([*code_rows(bodies), inner], digits=16)

    def encode_inputs(self, inputs: Any) -> dict[str, Any]:
        """Build the initial cells.  `inputs`: a StepsInput, a WorkflowContext, a mapping (the params) or None.

        Raises EncodingError.
        """
        if isinstance(inputs, WorkflowContext):
            inputs = StepsInput(context=inputs)
        elif not isinstance(inputs, StepsInput):
            inputs = StepsInput(params=inputs)
        params = encode_values(self.workflow.defaults, "defaults")
        given = RunInput(params)
        before = inputs.context
        if before is not None:
            params.update(before.params.stored_values())
            given = RunInput(
                params,
                before.partition.stored_values(),
                before.outputs.stored_values(),
                before.quality_metrics.stored_values(),
                before.metadata.stored_values(),
                before.batch_id,
                before.execution.parent_execution_id,
            )
        params.update(encode_values(inputs.params or {}, "params"))
        given.partition.update(encode_values(inputs.partition or {}, "partition"))
        if self.settings.dry_run:
            params[DRY_RUN_PARAM] = encode_value(True, DRY_RUN_PARAM)
        return {INPUT_CELL: given}

    def describe(self) -> WorkflowDescription:
        """Describe the workflow; params may have any names, those with defaults are listed.  Raises EncodingError."""
        workflow = self.workflow
        defaults = encode_values(workflow.defaults, "defaults")
        return WorkflowDescription(
            workflow.description,
            tuple(workflow.tags),
            tuple([step.function for step in self._steps]),
            {
                "type": "object",
                "properties": {name: {"default": to_plain_json(value.tree)} for name, value in defaults.items()},
            },
            defaults,
            branches=step_branches(workflow),
            waiting_nodes=frozenset([i for i, step in enumerate(self._steps) if isinstance(step, WaitStep)]),
        )

    def policy(self, node: int) -> NodePolicy:
        """Return retries and time-out of a step."""
        return build_node_policy(self._steps[node], self.settings.default_retry, self.settings.default_timeout_seconds)

    @cached_property
    def node_limits(self) -> Mapping[int, str]:
        """Return the names of the limits of steps."""
        return {i: step.limit for i, step in enumerate(self._steps) if step.limit is not None}

    def is_async(self, node: int) -> bool:
        """Return True if the handler must be awaited.  With a StepWrapper every step is called in a thread."""
        step = self._steps[node]
        return self.settings.wrapper is None and isinstance(step, LambdaStep) and step.is_async

    def routing_key(self, node: int) -> str:
        """Return `public::embedded::workflow::step`."""
        return f"public::embedded::{self.plan.name}::{self._steps[node].name}"

    def executor_name(self, node: int) -> str | None:
        """Return None: the runner decides."""
        return None

    def child_definitions(self) -> Mapping[int, WorkflowDefinition]:
        """Return the definitions of iterators of maps and of child workflows, by node."""
        return _ChildDefinitions(self._child_run_nodes, self._child_definition)

    def _child_definition(self, node: int) -> WorkflowDefinition | None:
        step = self._steps[node]
        source: Any = None
        if isinstance(step, MapStep):
            source = step.iterator_workflow
        elif isinstance(step, RunPipelineStep):
            source = find_child_workflow(step, self.settings)
        known = self._child_cache.get(node)
        if known is None or known[0] is not source:
            known = self._child_cache[node] = (
                source,
                self._make_child_definition(f"{self.plan.name}/{step.name}", source),
            )
        return known[1]

    def _make_child_definition(self, name: str, source: Any) -> WorkflowDefinition | None:
        """Create the definition of a child: a registered workflow keeps its name, others get one below this one's."""
        if isinstance(source, StepsWorkflowDefinition):
            return StepsWorkflowDefinition(source.workflow, self.settings, name=source.plan.name, lineage=self._lineage)
        if isinstance(source, BaseWorkflow):
            return StepsWorkflowDefinition(source, self.settings, name=name, lineage=self._lineage)
        made: WorkflowDefinition | None = source.program(name) if hasattr(source, "program") else source
        return made

    # -- one attempt

    def execute(self, node: int, view: StepView, control: StepAttemptInfo) -> NodeResult:
        """Execute a step.  Raises StepFailed, also for a result that cannot be stored."""
        step, context = self._steps[node], self._make_context(view, control)
        place = StepEnvironment(
            self.settings, lambda: control.attempt_started_at, self._lineage, lambda: self._child_definition(node)
        )

        def conducted(ask: RequestFn) -> StepResult:
            work = partial(execute_step, submit_request=ask, environment=place)
            if self.settings.wrapper is None:
                return work(step, context)
            own = step.with_own_config()
            return to_step_result(self.settings.wrapper(own, context, work), f"what is around step {step.name!r}")

        def attempted() -> EngineRequest | StepResult:
            if self.settings.wrapper is None or isinstance(step, (LambdaStep, ChoiceStep)):
                return conducted(make_request_fn(view))
            return self._start_or_resume(node, view, control.run_id, conducted)

        return to_node_result(step, catch_failure(attempted), self._jump_table)

    async def execute_async(self, node: int, view: StepView, control: StepAttemptInfo) -> NodeResult:
        """Execute a step whose handler is awaited.  Raises StepFailed."""
        step = self._steps[node]
        assert isinstance(step, LambdaStep)
        outcome = await execute_step_async(step, self._make_context(view, control))
        return to_node_result(step, outcome, self._jump_table)

    def runs_user_code(self, node: int, view: StepView) -> bool:
        """Return False for a step, or its second part, that the engine does alone, and for all inside middleware."""
        return runs_user_code(self._steps[node], view, self.settings, node in self.child_definitions())

    def portable_task(self, node: int) -> PicklableStep:
        """Return the step in a form that can be pickled."""
        names = tuple([step.name for step in self._steps])
        return PicklableStep.from_step(self._steps[node], self.plan.name, names, self.settings)

    def accept_result(self, node: int, view: StepView, result: NodeResult) -> NodeResult:
        """Check a result of another process.  Raises BadAnswer."""
        step = self._steps[node]
        check_request(step, result)
        if result.decision is not None and not self._jump_table.is_possible(step.name, result.decision):
            raise BadAnswer(f"step {step.name!r} skips steps that it cannot skip")
        return result

    def _make_context(self, view: StepView, control: StepAttemptInfo) -> WorkflowContext:
        return view.make_context(control.run_id, self.plan.name, control.run_started_at)

    def _start_or_resume(
        self, node: int, view: StepView, run_id: str, execute: Callable[[RequestFn], StepResult]
    ) -> EngineRequest | StepResult:
        talks = self.settings.suspended_steps
        waiting = talks.pop(run_id, node)
        if has_response(view):
            return execute(make_request_fn(view)) if waiting is None else waiting.resume_with(view)
        if waiting is not None:  # left over by an attempt that was abandoned
            waiting.abort()
        conversation = SuspendedStep(execute)
        said = conversation.start()
        if isinstance(said, EngineRequest):
            talks.add(run_id, node, conversation)
        return said


class _ChildDefinitions(Mapping[int, WorkflowDefinition]):
    """Definitions of children, each created on first access."""

    def __init__(self, nodes: Sequence[int], make: Callable[[int], WorkflowDefinition | None]) -> None:
        self._nodes, self._make = nodes, make

    def __getitem__(self, node: int) -> WorkflowDefinition:
        child = self._make(node)
        if child is None:
            raise KeyError(node)
        return child

    def __iter__(self) -> Iterator[int]:
        return (node for node in self._nodes if self._make(node) is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)
