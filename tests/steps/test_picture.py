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
        "Workflow(name='w', steps=10)",
        "     1. big     choice  then -> fast, else -> full",
        "     2. fast    lambda",
        "     3. faster  lambda  -> tell",
        "     4. full    lambda",
        "     5. tell    choice  then -> mail, else -> rest",
        "     6. mail    lambda",
        "     7. rest    wait 90 s  -> load",
        "     8. never   lambda",
        "     9. load    pipeline my.pipeline",
        "    10. each    map of 1 steps",
    ]


def test_mermaid() -> None:
    lines = build_workflow().to_mermaid().split("\n")
    assert lines[:3] == ["flowchart TD", '    s0{"big: choice"}', '    s1["fast: lambda"]']
    edges = [line.strip() for line in lines[11:]]
    assert edges == [
        "s0 -- then --> s1",
        "s0 -- else --> s3",
        "s1 --> s2",
        "s2 --> s4",
        "s3 --> s4",
        "s4 -- then --> s5",
        "s4 -- else --> s6",
        "s5 --> s6",
        "s6 --> s8",
        "s7 --> s8",
        "s8 --> s9",
    ]
