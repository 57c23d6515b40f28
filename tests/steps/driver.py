"""Runs a workflow of steps on a bare machine: no store, no threads but its own; time passes when somebody waits."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from holdwater.errors import StepFailed
from holdwater.kernel import Machine, lay_out
from holdwater.model import events as ev
from holdwater.model import journal
from holdwater.model.commands import Command, Execute, Tend, Wake
from holdwater.model.events import Event
from holdwater.model.ports import Program
from holdwater.steps import Settings, Step, StepsBoard, StepsProgram, Workflow, WorkflowContext

BEGAN = 1_700_000_000_000_000


@dataclass(frozen=True)
class Control:
    run_id: str
    began: int
    run_began: int = BEGAN


class Run:
    """One run.  `restart=True` forgets everything but the journal before every command."""

    def __init__(
        self,
        program: Program,
        inputs: Any = None,
        *,
        cells: Mapping[str, Any] | None = None,
        passed: tuple[str, ...] = (),
        run_id: str = "r",
        now: int = BEGAN,
        restart: bool = False,
    ) -> None:
        self.program, self.run_id, self.now, self.restart = program, run_id, now, restart
        self.journal: list[str] = []
        self.slept: list[float] = []
        self.attempts: list[str] = []
        self.children: list[Run] = []
        self.kinds: dict[str, str] = {}
        self._begin()
        self.apply(ev.Started(program.start(inputs) if cells is None else dict(cells), passed))

    def _begin(self) -> None:
        self.machine = Machine(lay_out(self.program.plan))
        self.board: Any = self.program.style.board(self.machine)

    def apply(self, event: Event) -> None:
        text = journal.encode(journal.Entry(event))
        assert journal.encode(journal.decode(json.loads(text), self.program.style.unpack)) == text
        self.journal.append(text)
        self.machine.apply(event)

    def go(self) -> Run:
        """To its end, or to where nothing can be done."""
        while self.machine.todo:
            if self.restart:
                self._begin()
                for text in self.journal:
                    self.machine.apply(journal.decode(json.loads(text), self.program.style.unpack).event)
            self.step(next(iter(self.machine.todo.values())))
        return self

    def step(self, command: Command) -> None:
        match command:
            case Execute():
                self._execute(command)
            case Wake(node=node, at=at):
                assert at is not None
                self.slept.append((at - self.now) / 1e6)
                self.now = max(self.now, at)
                self.apply(ev.TimerFired(node))
            case Tend(node=node):
                self._tend(node)
            case _:
                raise AssertionError(command)

    def _execute(self, c: Execute) -> None:
        view, control = self.board.view(c.node), Control(self.run_id, self.now)
        self.attempts.append(self.program.plan.nodes[c.node].name)
        try:
            if self.program.is_async(c.node):
                done = asyncio.run(self.program.perform_async(c.node, view, control))
            else:
                done = self.program.perform(c.node, view, control)
        except StepFailed as error:
            self._failed(c, error)
            return
        if done.spread is not None:
            s = done.spread
            self.apply(ev.FannedOut(c.node, c.fence, s.inputs, s.width, s.stop))
        elif done.wait_until is not None:
            self.apply(ev.Deferred(c.node, c.fence, done.wait_until))
        else:
            self.apply(ev.Succeeded(c.node, c.fence, done.values, done.decision))

    def _failed(self, c: Execute, error: StepFailed) -> None:
        retry = self.program.policy(c.node).retry
        kind, text, cause = error.holdwater_kind, error.holdwater_text, error.__cause__
        retry_at = None
        if c.attempt < retry.max_attempts and not error.holdwater_final and retry.covers(cause, kind, text):
            retry_at = self.now + int(retry.delay(c.attempt) * 1e6)
        self.kinds[self.program.plan.nodes[c.node].name] = kind
        self.apply(ev.Failed(c.node, c.fence, kind, text, retry_at))

    def _tend(self, node: int) -> None:
        fan = self.machine.fans[node]
        program = self.program.children()[node]
        self.widths = [*getattr(self, "widths", []), len(fan.running)]
        item = min(fan.running)
        name = self.program.plan.nodes[node].name
        cells = dict(fan.inputs[item])
        if self.restart:
            cells = {key: program.style.unpack(value.tree) for key, value in cells.items()}
        child = Run(program, cells=cells, run_id=f"{self.run_id}/{name}.{fan.turn}.{item}", restart=self.restart).go()
        self.children.append(child)
        done = child.machine.status == "completed"
        values = child.board.result() if done else {}
        error = "" if done else "; ".join(f"{step}: {text}" for step, text in child.errors.items())
        self.apply(ev.ChildMoved(node, fan.turn, item, child.machine.status, values, error))

    def resume(self, params: Mapping[str, Any] | None = None, start: int | None = None) -> Run:
        self.apply(ev.Resumed("", self.board.override(params, start), start))
        return self.go()

    @property
    def status(self) -> str:
        return self.machine.status

    @property
    def states(self) -> dict[str, str]:
        return {n.name: s for n, s in zip(self.program.plan.nodes, self.machine.state, strict=True)}

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
        assert isinstance(self.board, StepsBoard)
        return self.board.final().context(self.run_id, self.program.plan.name, BEGAN)

    def output(self, step: str) -> Any:
        return self.context.get_output(step)


def program(*steps: Step, name: str = "w", settings: Settings | None = None, **options: Any) -> StepsProgram:
    return StepsProgram(Workflow(name, list(steps), **options), settings)


def run(
    *steps: Step, params: Any = None, settings: Settings | None = None, restart: bool = False, **options: Any
) -> Run:
    """A run of these steps, at its end."""
    return Run(program(*steps, settings=settings, **options), params, restart=restart).go()


def put(**output: Any) -> Callable[[WorkflowContext, dict[str, Any]], dict[str, Any]]:
    """A handler with this output."""
    return lambda ctx, config: output
