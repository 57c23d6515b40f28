"""Workflows and graphs that are variables of a module."""

from __future__ import annotations

from types import ModuleType

import pytest

from holdwater import Graph, Step, StepResult, Workflow, WorkflowBuilder, node, task
from holdwater.errors import WorkflowError
from holdwater.model.module_workflows import register_module
from holdwater.model.registry import Registry


@node(output_name="text")
def draft(topic: str) -> str:
    return topic


@node(output_name="length")
def measure(text: str) -> int:
    return len(text)


def module_of(**variables: object) -> ModuleType:
    made = ModuleType("shop")
    vars(made).update(variables)
    return made


def test_every_style_by_its_name() -> None:
    with WorkflowBuilder("tasks") as builder:
        task(id="one")(lambda context: None)
    articles = Graph([draft, measure], name="articles")
    steps = Workflow(name="imports", steps=[Step.lambda_("load", lambda context, config: StepResult.ok())])
    registry = Registry()
    register_module(
        module_of(a=articles, again=articles, b=steps, unnamed=Graph([draft]), kind=Graph, builder=builder), registry
    )
    assert registry.names() == ("articles", "imports")


def test_two_of_one_name() -> None:
    with pytest.raises(WorkflowError, match="shop: b is another workflow of the name 'articles'"):
        register_module(
            module_of(a=Graph([draft], name="articles"), b=Graph([draft, measure], name="articles")), Registry()
        )
