"""Runs a workflow of steps on a bare machine: no store, no threads but its own; time passes when somebody waits."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from holdwater.errors import StepFailed
from holdwater.kernel import Machine, compile_plan
from holdwater.model import events as ev
from holdwater.model import journal
from holdwater.model.commands import AwaitChildren, Command, Execute, StartTimer
from holdwater.model.events import Event
from holdwater.model.ports.definition import WorkflowDefinition
from holdwater.model.time import Micros, add_seconds
from holdwater.steps import Step, StepSettings, StepsRunData, StepsWorkflowDefinition, Workflow, WorkflowContext

STARTED_AT_US = Micros(1_700_000_000_000_000)


@dataclass(frozen=True)
class FakeAttemptInfo:
    run_id: str
    attempt_started_at: Micros
    run_started_at: Micros = STARTED_AT_US


class KernelRun:
    """One run.  `restart=True` forgets everything but the journal before every command."""

    def __init__(
        self,
        program: WorkflowDefinition,
        inputs: Any = None,
        *,
        cells: Mapping[str, Any] | None = None,
        skipped_ranges: tuple[str, ...] = (),
        run_id: str = "r",
        now: Micros = STARTED_AT_US,
        restart: bool = False,
    ) -> None:
        self.program, self.run_id, self.now, self.restart = program, run_id, now, restart
        self.journal: list[str] = []
        self.slept_seconds: list[float] = []
        self.attempts: list[str] = []
        self.children: list[KernelRun] = []
        self.error_kinds: dict[str, str] = {}
        self._new_machine()
        self.apply(ev.Started(program.encode_inputs(inputs) if cells is None else dict(cells), skipped_ranges))

    def _new_machine(self) -> None:
        self.machine = Machine(compile_plan(self.program.plan))
        self.board: Any = self.program.style.run_data(self.machine)

    def apply(self, event: Event) -> None:
        text = journal.encode_entry(journal.JournalEntry(event))
        assert journal.encode_entry(journal.decode_entry(json.loads(text), self.program.style.decode_value)) == text
        self.journal.append(text)
        self.machine.apply(event)

    def run_to_end(self) -> KernelRun:
        """To its end, or to where nothing can be done."""
        while self.machine.todo:
            if self.restart:
                self._new_machine()
                for text in self.journal:
                    self.machine.apply(journal.decode_entry(json.loads(text), self.program.style.decode_value).event)
            self.execute_command(next(iter(self.machine.todo.values())))
        return self

    def execute_command(self, command: Command) -> None:
        match command:
            case Execute():
                self._execute(command)
            case StartTimer(node=node, at=at):
                assert at is not None
                self.slept_seconds.append((at - self.now) / 1e6)
                self.now = max(self.now, at)
                self.apply(ev.TimerFired(node))
            case AwaitChildren(node=node):
                self._run_child(node)
            case _:
                raise AssertionError(command)

    def _execute(self, c: Execute) -> None:
        view, control = self.board.view(c.node), FakeAttemptInfo(self.run_id, self.now)
        self.attempts.append(self.program.plan.nodes[c.node].name)
        try:
            if self.program.is_async(c.node):
                done = asyncio.run(self.program.execute_async(c.node, view, control))
            else:
                done = self.program.execute(c.node, view, control)
        except StepFailed as error:
            self._failed(c, error)
            return
        if done.child_runs is not None:
            s = done.child_runs
            self.apply(ev.ChildRunsRequested(c.node, c.fence, s.inputs, s.max_concurrency, s.fail_fast))
        elif done.wait_until is not None:
            self.apply(ev.Deferred(c.node, c.fence, done.wait_until))
        else:
            self.apply(ev.Succeeded(c.node, c.fence, done.values, done.decision))

    def _failed(self, c: Execute, error: StepFailed) -> None:
        retry = self.program.policy(c.node).retry
        kind, text, cause = error.holdwater_kind, error.holdwater_text, error.__cause__
        retry_at = None
        if c.attempt < retry.max_attempts and not error.holdwater_final and retry.is_retryable(cause, kind, text):
            retry_at = add_seconds(self.now, retry.delay_seconds(c.attempt))
        self.error_kinds[self.program.plan.nodes[c.node].name] = kind
        self.apply(ev.Failed(c.node, c.fence, kind, text, retry_at))

    def _run_child(self, node: int) -> None:
        fan = self.machine.fan_outs[node]
        program = self.program.child_definitions()[node]
        self.running_counts = [*getattr(self, "running_counts", []), len(fan.running)]
        item = min(fan.running)
        name = self.program.plan.nodes[node].name
        cells = dict(fan.inputs[item])
        if self.restart:
            cells = {key: program.style.decode_value(value.tree) for key, value in cells.items()}
        child = KernelRun(
            program, cells=cells, run_id=f"{self.run_id}/{name}.{fan.generation}.{item}", restart=self.restart
        ).run_to_end()
        self.children.append(child)
        done = child.machine.status == "completed"
        values = child.board.result() if done else {}
        error = "" if done else "; ".join(f"{step}: {text}" for step, text in child.errors.items())
        self.apply(ev.ChildStatusChanged(node, fan.generation, item, child.machine.status, values, error))

    def resume(self, params: Mapping[str, Any] | None = None, start: int | None = None) -> KernelRun:
        self.apply(ev.Resumed("", self.board.resume_inputs(params, start), start))
        return self.run_to_end()

    @property
    def status(self) -> str:
        return self.machine.status

    @property
    def states(self) -> dict[str, str]:
        return {n.name: s for n, s in zip(self.program.plan.nodes, self.machine.node_states, strict=True)}

    @property
    def errors(self) -> dict[str, str]:
        return {self.program.plan.nodes[i].name: text for i, (_, text) in self.machine.errors.items()}

    @property
    def error(self) -> str:
        """The only one."""
        (text,) = self.errors.values()
        return text

    @property
    def context(self) -> WorkflowContext:
        assert isinstance(self.board, StepsRunData)
        return self.board.final_view().make_context(self.run_id, self.program.plan.name, STARTED_AT_US)

    def output(self, step: str) -> Any:
        return self.context.get_output(step)


def make_definition(
    *steps: Step, name: str = "w", settings: StepSettings | None = None, **options: Any
) -> StepsWorkflowDefinition:
    return StepsWorkflowDefinition(Workflow(name, list(steps), **options), settings)


def run_steps(
    *steps: Step, params: Any = None, settings: StepSettings | None = None, restart: bool = False, **options: Any
) -> KernelRun:
    """A run of these steps, at its end."""
    return KernelRun(make_definition(*steps, settings=settings, **options), params, restart=restart).run_to_end()


def handler_returning(**output: Any) -> Callable[[WorkflowContext, dict[str, Any]], dict[str, Any]]:
    """A handler with this output."""
    return lambda ctx, config: output
