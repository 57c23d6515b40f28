"""What checkers must refuse: each line that ends in `# wrong` has an error, and no other line has one."""

from __future__ import annotations

from holdwater import SyncRunner
from holdwater.graphs import Graph, ifelse, node, route
from holdwater.steps import Step, StepResult, Workflow


@node(output_name="doubled")
def double(x: int) -> int:
    return 2 * x


double("two")  # wrong
double(y=1)  # wrong
text: str = double(2)  # wrong


@node(output_name=3)  # wrong
def tripled(x: int) -> int:
    return 3 * x


@route(["a"])
def gate(x: int) -> str:
    return "a"


gate([])  # wrong


@ifelse("a", "b")
def is_small(x: int) -> bool:
    return x < 3


is_small("3")  # wrong
SyncRunner().run("graph", {})  # wrong
SyncRunner().run(Graph([double]), {"x": 1}, error_handling="ignore")  # wrong
Graph([double], strict_types="yes")  # wrong
Workflow(name="w", steps=[Step.lambda_("a", 3)])  # wrong
StepResult.ok(output=[1])  # wrong
