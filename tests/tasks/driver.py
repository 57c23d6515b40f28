"""Runs a workflow of tasks on a bare machine: no store, no clock, no thread; in any order, and restarted anywhere."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Mapping
from typing import Any

from holdwater.kernel import Machine, compile_plan
from holdwater.model import events as ev
from holdwater.model import journal
from holdwater.model.commands import Command, Evaluate, Execute
from holdwater.model.error_report import ErrorText
from holdwater.model.events import Event
from holdwater.model.registry import Registry
from holdwater.tasks import Context, Patch, TaskRunData, TaskWorkflowDefinition, WorkflowBuilder

TaskFunction = Callable[..., Any]


class KernelRun:
    """One run.  `notes`: what observers raised; `journal`: its events as text."""

    def __init__(
        self, program: TaskWorkflowDefinition, inputs: Any = None, overrides: Mapping[int, Patch] | None = None
    ) -> None:
        self.program = program
        self.journal: list[str] = []
        self.notes: list[str] = []
        self.machine = Machine(compile_plan(program.plan))
        self.board = TaskRunData(self.machine)
        for node, patch in (overrides or {}).items():
            self._apply(ev.InputsOverridden(node, patch))
        self._apply(ev.Started(program.encode_inputs(inputs)))

    def _apply(self, event: Event) -> None:
        self.journal.append(journal.encode_entry(journal.JournalEntry(event)))
        self.machine.apply(event)

    def restart(self) -> None:
        """Forget everything but the journal and the plan."""
        self.machine = Machine(compile_plan(self.program.plan))
        for text in self.journal:
            self.machine.apply(journal.decode_entry(json.loads(text), self.program.style.decode_value).event)
        self.board = TaskRunData(self.machine)

    def run_to_end(self, rng: random.Random | None = None, restart: float = 0.0) -> KernelRun:
        """To the end; with `rng` in an order of its choice, restarting before a step with probability `restart`."""
        while self.machine.todo:
            todo = list(self.machine.todo.values())
            self.execute_command(rng.choice(todo) if rng else todo[0])
            if rng and rng.random() < restart:
                self.restart()
        return self

    def execute_command(self, c: Command) -> None:
        if isinstance(c, Evaluate):
            self._apply(ev.RuleEvaluated(c.node, self.board.rule_results(c.node)))
            return
        assert isinstance(c, Execute)
        view = self.board.view(c.node)
        perform = self.program.execute
        try:
            if self.program.is_async(c.node):
                done = asyncio.run(self.program.execute_async(c.node, view, "handle"))
            else:
                done = perform(c.node, view, "handle")
        except Exception as error:
            text = ErrorText(f"{type(error).__name__}: {error}")
            self.notes += self.program.on_failure(c.node, view, text)
            self._apply(ev.Failed(c.node, c.fence, type(error).__name__, str(error)))
        else:
            self.notes += done.observer_errors
            self._apply(ev.Succeeded(c.node, c.fence, done.values, done.decision))

    @property
    def states(self) -> dict[str, str]:
        return {n.name: s for n, s in zip(self.program.plan.nodes, self.machine.node_states, strict=True)}

    @property
    def errors(self) -> dict[str, tuple[str, str]]:
        return {self.program.plan.nodes[i].name: error for i, error in self.machine.errors.items()}

    @property
    def final_context(self) -> dict[str, Any]:
        return Context.from_stored(self.board.result()).to_dict()

    @property
    def final_json(self) -> str:
        return Context.from_stored(self.board.result()).to_json()


def make_builder(name: str = "w", **options: Any) -> tuple[WorkflowBuilder, Registry]:
    """A builder with a registry of its own."""
    registry = Registry()
    return WorkflowBuilder(name, into=registry, **options), registry


def get_definition(registry: Registry, name: str = "w") -> TaskWorkflowDefinition:
    found = registry.get(name)
    assert isinstance(found, TaskWorkflowDefinition)
    return found
