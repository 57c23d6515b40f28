"""Which steps run: choices, jumps, waits, resuming."""

from __future__ import annotations

import datetime as dt
import warnings
from typing import Any

import pytest

from holdwater.errors import FallThroughWarning, WorkflowError
from holdwater.model.time import from_datetime, to_rfc3339
from holdwater.steps import Step, StepResult, StepSettings, Workflow, WorkflowContext
from tests.steps.driver import STARTED_AT_US, KernelRun, handler_returning, make_definition, run_steps

Config = dict[str, Any]


def make_steps(*names: str) -> list[Step]:
    return [Step.lambda_(name, handler_returning(name=name)) for name in names]


def always(ctx: WorkflowContext) -> bool:
    return True


async def later(ctx: WorkflowContext) -> Any:
    return None


def executed_steps(done: KernelRun) -> list[str]:
    return [name for name, state in done.states.items() if state == "succeeded"]


def steps_after_choice(
    yes: bool, *then: str | None, join: str | None = None, names: str = "abcd", **more: Any
) -> list[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FallThroughWarning)
        choice = Step.choice("?", lambda ctx: yes, *then, join=join, **more)
        done = run_steps(choice, *make_steps(*names))
    assert done.status == "completed"
    skipped = {name for name, state in done.states.items() if state == "skipped"}
    assert skipped == {*names} - {*executed_steps(done)}
    return executed_steps(done)[1:]


@pytest.mark.parametrize(
    ("yes", "then", "other", "join", "expected"),
    [
        (True, "a", "b", None, "abcd"),  # it falls through
        (False, "a", "b", None, "bcd"),
        (True, "b", "c", None, "bcd"),
        (True, "a", "b", "c", "acd"),
        (False, "a", "b", "c", "bcd"),
        (True, "a", "c", "d", "abd"),
        (False, "a", "c", "d", "cd"),
        (True, "c", "a", "d", "cd"),
        (False, "c", "a", "d", "abd"),
        (True, "b", None, None, "bcd"),
        (False, "a", None, None, "bcd"),
        (False, "b", None, None, "acd"),
        (False, "d", None, None, "abc"),
        (False, "a", None, "c", "cd"),
        (True, "a", None, "c", "abcd"),
        (True, "a", "d", "d", "abcd"),
        (False, "a", "d", "d", "d"),
    ],
)
def test_choice(yes: bool, then: str, other: str | None, join: str | None, expected: str) -> None:
    assert steps_after_choice(yes, then, other, join=join) == list(expected)


def test_what_a_choice_leaves_behind() -> None:
    done = run_steps(Step.choice("big", lambda ctx: ctx.params["n"] > 3, "a"), *make_steps("a"), params={"n": 5})
    assert done.output("big") == {"condition_result": True, "branch": "then"}
    assert done.context.params["__choice_big"] == "then"


def test_other_words_for_a_choice() -> None:
    step = Step.choice("?", when=lambda ctx: False, then="a", otherwise="b", join="c")
    assert (step.then_step, step.else_step) == ("a", "b")
    assert executed_steps(run_steps(step, *make_steps("a", "b", "c")))[1:] == ["b", "c"]


def test_a_condition_that_raises() -> None:
    def condition(ctx: WorkflowContext) -> bool:
        return bool(ctx.params["missing"])

    done = run_steps(Step.choice("?", condition, "a"), *make_steps("a"))
    assert done.error == "Condition evaluation failed: KeyError: 'missing'"


def test_falling_through_is_worth_a_warning() -> None:
    with pytest.warns(FallThroughWarning, match="join='b' if this is meant"):
        Workflow("w", [Step.choice("?", lambda ctx: True, "a", "b"), *make_steps("a", "b")])


def test_any_step_may_jump_ahead() -> None:
    jump = Step.lambda_("j", lambda ctx, config: StepResult.ok({"n": 1}, next_step="c"))
    done = run_steps(jump, *make_steps("a", "b", "c"))
    assert done.states == {"j": "succeeded", "a": "skipped", "b": "skipped", "c": "succeeded"}


@pytest.mark.parametrize(("target", "why"), [("a", "does not come after"), ("b", "does not come"), ("x", "is not in")])
def test_a_jump_that_leads_nowhere_fails(target: str, why: str) -> None:
    jump = Step.lambda_("b", lambda ctx, config: StepResult.ok(next_step=target))
    done = run_steps(*make_steps("a"), jump, *make_steps("c"))
    assert done.error_kinds == {"b": "CONFIGURATION"}
    assert why in done.error


# -- waiting


@pytest.mark.parametrize("restart", [False, True])
def test_a_wait_is_a_timer(restart: bool) -> None:
    done = run_steps(Step.wait("w", 90), *make_steps("a"), restart=restart)
    assert done.slept_seconds == [90.0]
    assert done.output("w") == {"waited_seconds": 90}
    assert done.status == "completed"


@pytest.mark.parametrize(
    ("step", "seconds"),
    [
        (Step.wait("w", seconds=5), 5),
        (Step.wait("w", duration_seconds=0.5), 0.5),
        (Step.wait("w", dt.timedelta(minutes=2)), 120),
        (Step.wait("w", duration_path="pause"), 7),
        (Step.wait("w", duration_path="deep.pause"), 8),
    ],
)
def test_how_long(step: Step, seconds: float) -> None:
    done = run_steps(step, params={"pause": 7, "deep": {"pause": 8}})
    assert done.slept_seconds == [seconds]
    assert done.output("w") == {"waited_seconds": seconds}


@pytest.mark.parametrize("given", [True, False])
def test_until(given: bool) -> None:
    instant = dt.datetime.fromtimestamp(STARTED_AT_US / 1e6 + 60, dt.UTC)
    calls: list[str] = []

    def until(ctx: WorkflowContext) -> dt.datetime:
        calls.append(ctx.run_id)
        return instant

    done = run_steps(Step.wait("w", until=until if given else instant), restart=True)
    assert done.slept_seconds == [60.0]
    assert done.output("w") == {"waited_until": to_rfc3339(from_datetime(instant))}
    assert calls == ["r"] * given


def test_no_wait_at_all() -> None:
    assert run_steps(Step.wait("w", 0)).slept_seconds == []


def test_a_dry_run_does_not_wait() -> None:
    instant = dt.datetime(2100, 1, 1, tzinfo=dt.UTC)
    done = run_steps(Step.wait("w", 90), Step.wait("u", until=instant), settings=StepSettings(dry_run=True))
    assert done.slept_seconds == []
    assert done.output("w") == {"waited_seconds": 90}
    assert done.output("u") == {"waited_until": to_rfc3339(from_datetime(instant))}


def test_a_wait_may_jump() -> None:
    done = run_steps(Step.wait("w", 1, next_step="b"), *make_steps("a", "b"))
    assert executed_steps(done) == ["w", "b"]


@pytest.mark.parametrize("pause", [None, "soon", -1, True])
def test_a_duration_that_is_none(pause: Any) -> None:
    done = run_steps(Step.wait("w", duration_path="pause"), params={"pause": pause})
    assert done.error_kinds == {"w": "CONFIGURATION"}
    assert repr(pause) in done.error


# -- where a run begins, and begins again


def test_steps_that_are_passed_over_from_the_start() -> None:
    p = make_definition(*make_steps("a", "b", "c"))
    done = KernelRun(p, skipped_ranges=("a", "c")).run_to_end()
    assert done.states == {"a": "skipped", "b": "skipped", "c": "succeeded"}


def failing_once(error: str = "no") -> Any:
    calls: list[WorkflowContext] = []

    def handler(ctx: WorkflowContext, config: Config) -> StepResult:
        calls.append(ctx)
        if len(calls) == 1:
            return StepResult.fail(error)
        return StepResult.ok({"seen": ctx.params.to_dict()}, {"x": "c"})

    return handler


@pytest.mark.parametrize("restart", [False, True])
def test_resuming_with_other_params(restart: bool) -> None:
    flow = [
        Step.lambda_("a", lambda ctx, config: StepResult.ok({"n": 1}, {"x": "a", "y": "a"})),
        Step.lambda_("b", failing_once()),
    ]
    flow.append(Step.lambda_("c", failing_once()))
    done = run_steps(*flow, params={"x": 0}, restart=restart)
    assert done.status == "failed"
    done.resume({"x": "first"})
    assert done.attempts == ["a", "b", "b", "c"]
    assert done.output("b") == {"seen": {"x": "first", "y": "a", "__resumed__": True}}
    done.resume({"y": "second"})
    assert done.status == "completed"
    assert done.output("c") == {"seen": {"x": "c", "y": "second", "__resumed__": True}}
    assert done.output("a") == {"n": 1}


def test_resuming_without_params() -> None:
    done = run_steps(Step.lambda_("a", failing_once())).resume()
    assert done.output("a") == {"seen": {"__resumed__": True}}


def test_doing_everything_anew_from_a_step() -> None:
    def add(ctx: WorkflowContext, config: Config) -> StepResult:
        return StepResult.ok({"n": ctx.params["n"]}, {"n": ctx.params["n"] + 1})

    done = run_steps(*[Step.lambda_(name, add) for name in "abc"], Step.lambda_("d", failing_once()), params={"n": 0})
    assert [done.output(name)["n"] for name in "abc"] == [0, 1, 2]
    done.resume({"n": 10}, start=1)
    assert [done.output(name)["n"] for name in "abc"] == [0, 10, 11]
    assert done.attempts == ["a", "b", "c", "d", "b", "c", "d"]


def test_an_edit_before_a_step() -> None:
    p = make_definition(
        Step.lambda_("a", handler_returning(n=1)), Step.lambda_("b", lambda ctx, config: {"seen": ctx.params.to_dict()})
    )
    style = p.style
    first = KernelRun(p, {"x": 1, "y": 1})
    edit = style.merge_overrides({"x": 3}, ["y"], style.merge_overrides({"x": 2, "z": 2}, [], None))
    from holdwater.model import events as ev

    first._new_machine()
    first.journal.clear()
    first.apply(ev.InputsOverridden(1, edit))
    first.apply(ev.Started(p.encode_inputs({"x": 1, "y": 1})))
    assert first.run_to_end().output("b") == {"seen": {"x": 3, "z": 2}}


# -- dry run


def test_a_dry_run_says_so() -> None:
    def handler(ctx: WorkflowContext, config: Config) -> Config:
        return {"dry": ctx.params["__dry_run__"], "is": ctx.is_dry_run}

    assert run_steps(Step.lambda_("a", handler), settings=StepSettings(dry_run=True)).output("a") == {
        "dry": True,
        "is": True,
    }
    assert "__dry_run__" not in run_steps(*make_steps("a")).context.params


# -- definitions


@pytest.mark.parametrize(
    ("flow", "why"),
    [
        ([*make_steps("a", "a")], "Duplicate step name"),
        (["a"], "Step.lambda_"),
        ([Step.choice("?", always, "a"), *make_steps("b")], "then_step 'a' is no step"),
        ([Step.choice("?", always, "stage", "b"), *make_steps("stages", "b")], "did you mean 'stages'"),
        ([*make_steps("a"), Step.choice("?", always, "a")], "there is no way to jump back"),
        ([Step.choice("?", always, "?")], "does not come after"),
        ([Step.choice("?", always, "a", "b", join="a"), *make_steps("a", "b")], "join 'a' comes before 'b'"),
        ([Step.choice("?", always, "a", join="x"), *make_steps("a")], "join 'x'"),
        ([*make_steps("a"), Step.wait("w", 1, next_step="a")], "next_step 'a'"),
    ],
)
def test_what_no_workflow_can_be(flow: list[Any], why: str) -> None:
    with pytest.raises(WorkflowError, match=why) as caught:
        Workflow("w", flow)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Step.lambda_("", handler_returning()),
        lambda: Step.lambda_("a/b", handler_returning()),
        lambda: Step.lambda_("*", handler_returning()),
        lambda: Step.lambda_("a", "no function"),  # type: ignore[arg-type]
        lambda: Step.lambda_("a", handler_returning(), on_error="explode"),
        lambda: Step.lambda_("a", handler_returning(), retry=3),  # type: ignore[arg-type]
        lambda: Step.lambda_("a", handler_returning(), {"timeout": 0}),
        lambda: Step.lambda_("a", handler_returning(), timeout=-1),
        lambda: Step.pipeline("a"),
        lambda: Step.pipeline("a", ""),
        lambda: Step.pipeline("a", 3),
        lambda: Step.choice("a", lambda ctx: True),
        lambda: Step.choice("a", lambda ctx: True, "b", when=lambda ctx: True),
        lambda: Step.choice("a", later, "b"),
        lambda: Step.map("a", later, iterator=Workflow()),  # type: ignore[arg-type]
        lambda: Step.wait("a", until=later),  # type: ignore[arg-type]
        lambda: Step.wait("a"),
        lambda: Step.wait("a", 1, duration_path="x"),
        lambda: Step.wait("a", -1),
        lambda: Step.map("a", [1]),
        lambda: Step.map("a", iterator=Workflow()),
        lambda: Step.map("a", [1], items_path="x", iterator=Workflow()),
        lambda: Step.map("a", "text", iterator=Workflow()),
        lambda: Step.map("a", [1], iterator="name"),  # type: ignore[arg-type]
        lambda: Step.map("a", [1], iterator=Workflow(), max_concurrency=0),
    ],
)
def test_what_no_step_can_be(make: Any) -> None:
    with pytest.raises(WorkflowError):
        make()


def test_a_workflow_can_be_looked_at() -> None:
    flow = [
        *make_steps("a"),
        Step.pipeline("p", "my.pipeline"),
        Step.pipeline("q", "my.pipeline"),
        Step.choice("?", lambda ctx: True, "z"),
        *make_steps("z"),
    ]
    w = Workflow("w", flow, "domain", "what it does", 2, {"x": 1}, ["tag"])
    assert w.step_names() == ["a", "p", "q", "?", "z"]
    assert (w.step_index("q"), w.step_index("none")) == (2, -1)
    assert w.get_step("p") is flow[1]
    assert w.get_step("none") is None
    assert w.pipeline_names() == ["my.pipeline"]
    assert (w.has_choice_steps(), w.has_lambda_steps(), w.has_pipeline_steps()) == (True, True, True)
    assert (w.domain, w.description, w.version, w.defaults, w.tags) == ("domain", "what it does", 2, {"x": 1}, ["tag"])


def test_only_an_iterator_needs_no_name() -> None:
    with pytest.raises(WorkflowError, match="has a name"):
        Workflow(steps=make_steps("a")).program()
    assert Workflow(steps=make_steps("a")).program("named").plan.name == "named"


def test_an_empty_workflow_completes() -> None:
    assert run_steps().status == "completed"


def test_structure_is_names_kinds_and_order() -> None:
    one = Workflow("w", [Step.lambda_("a", handler_returning(n=1)), Step.wait("b", 1)])
    same = Workflow("w", [Step.lambda_("a", handler_returning(n=2), retry=None, timeout=3), Step.wait("b", 99)])
    other = Workflow("w", [Step.wait("b", 1), Step.lambda_("a", handler_returning(n=1))])
    assert one.structure == same.structure != other.structure
    assert one.program().code_fingerprint != same.program().code_fingerprint
