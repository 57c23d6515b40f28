"""Pictures of workflows."""

from __future__ import annotations

from holdwater.steps import Step, Workflow
from tests.steps.driver import handler_returning


def build_workflow() -> Workflow:
    def step(name: str) -> Step:
        return Step.lambda_(name, handler_returning())

    return Workflow(
        "w",
        [
            Step.choice("big", lambda ctx: True, "fast", "full", join="tell"),
            step("fast"),
            step("faster"),
            step("full"),
            Step.choice("tell", lambda ctx: True, "mail"),
            step("mail"),
            Step.wait("rest", 90, next_step="load"),
            step("never"),
            Step.pipeline("load", "my.pipeline"),
            Step.map("each", [1], step=step("one")),
        ],
    )


def test_text() -> None:
    assert build_workflow().to_text().split("\n") == [
        "w",
        "├─ big [choice]  => fast (then) | full (else)",
        "├─ fast [lambda]",
        "├─ faster [lambda]  => tell",
        "├─ full [lambda]",
        "├─ tell [choice]  => mail (then) | rest (else)",
        "├─ mail [lambda]",
        "├─ rest [wait 90 s]  => load",
        "├─ never [lambda]",
        "├─ load [pipeline my.pipeline]",
        "└─ each [map of 1 steps]",
    ]


def test_mermaid() -> None:
    lines = build_workflow().to_mermaid().split("\n")
    assert lines[:3] == ["flowchart TD", '    n0{"big<br/>choice"}', '    n1["fast<br/>lambda"]']
    edges = [line.strip() for line in lines[11:]]
    assert edges == [
        'n0 -.->|"then"| n1',
        'n0 -.->|"else"| n3',
        "n1 --> n2",
        "n2 -.-> n4",
        "n3 --> n4",
        'n4 -.->|"then"| n5',
        'n4 -.->|"else"| n6',
        "n5 --> n6",
        "n6 -.-> n8",
        "n7 --> n8",
        "n8 --> n9",
    ]


def test_svg() -> None:
    assert build_workflow().to_svg(theme="light").startswith("<svg")
