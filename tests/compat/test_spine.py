"""The room for code of "spine-core": its names, and what is translated."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest

import holdwater
from holdwater import steps
from holdwater.compat import cloaca
from holdwater.compat.spine import errors, execution, framework, orchestration, params, unsupported
from holdwater.compat.spine.orchestration import RetryPolicy, Step, StepResult, Workflow, WorkflowRunner
from holdwater.runners import steps as runners
from holdwater.steps import pipeline_registry

WORKFLOWS = """
WorkflowContext StepResult QualityMetrics ErrorCategory Step StepType ErrorPolicy RetryPolicy Workflow WorkflowRunner
WorkflowResult WorkflowStatus StepExecution get_workflow_runner TrackedWorkflowRunner get_workflow_state
list_workflow_failures WorkflowRunnerConfig LambdaStep ChoiceStep MapStep WaitStep QualityThresholds LambdaStepResult
StepMetrics Checkpoint WorkflowEvent load_workflow_from_yaml
""".split()  # noqa: SIM905
GROUPS = """
PipelineGroup PipelineStep ExecutionPolicy PlanResolver GroupRunner get_group_runner register_group get_group
list_groups group_exists clear_group_registry load_group_from_yaml load_groups_from_directory group_to_yaml GroupError
""".split()  # noqa: SIM905
TRANSLATED = {"RetryPolicy", "Workflow", "WorkflowRunner"}
STUBS = [
    name for name, found in vars(unsupported).items() if "Not in this version" in str(getattr(found, "__doc__", ""))
] + [name for name, found in vars(unsupported).items() if type(found).__name__ == "Refusing"]


@pytest.fixture(autouse=True)
def own_pipelines() -> Iterator[None]:
    before = set(pipeline_registry.names())
    yield
    for name in set(pipeline_registry.names()) - before:
        pipeline_registry.unregister(name)


@pytest.mark.parametrize("name", [*WORKFLOWS, *GROUPS])
def test_every_name_is_there(name: str) -> None:
    assert name in orchestration.__all__
    found = getattr(orchestration, name)
    if name not in TRANSLATED:
        assert found is getattr(steps, name, found)
        assert found is getattr(runners, name, found)


def test_every_name_that_is_promised_is_there() -> None:
    for module in (orchestration, framework, execution):
        for name in module.__all__:
            assert getattr(module, name) is not None


@pytest.mark.parametrize("name", STUBS)
def test_what_is_absent_says_what_takes_its_place(name: str) -> None:
    with pytest.raises(orchestration.NotInThisVersion, match=name) as caught:
        getattr(unsupported, name)("anything", at="all")
    assert isinstance(caught.value, NotImplementedError)
    assert caught.value.hint
    assert any(hasattr(module, name) for module in (orchestration, execution))


def test_what_is_absent() -> None:
    assert {"PipelineGroup", "TrackedWorkflowRunner", "DLQManager", "with_retry"} <= set(STUBS)
    with pytest.raises(orchestration.NotInThisVersion, match=r"PipelineGroup\.from_dict"):
        orchestration.PipelineGroup.from_dict({})


def test_one_kind_of_refusal() -> None:
    assert cloaca.NotInThisVersion is orchestration.NotInThisVersion


# -- retries


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ({}, {"max_attempts": 3, "retryable_errors": ("TRANSIENT", "TIMEOUT")}),
        (
            {"max_attempts": 5, "backoff": "linear", "initial_delay": 2.0, "max_delay": 9.0, "retryable_errors": ["X"]},
            {
                "max_attempts": 5,
                "backoff": "linear",
                "initial_delay": 2.0,
                "max_delay": 9.0,
                "retryable_errors": ("X",),
            },
        ),
        (
            {"initial_delay_seconds": 2.0, "backoff_multiplier": 3.0, "max_delay_seconds": 9.0},
            {"initial_delay": 2.0, "factor": 3.0, "max_delay": 9.0, "max_attempts": 3},
        ),
        ({"retryable_categories": ("NETWORK",)}, {"retryable_errors": ("NETWORK",)}),
    ],
)
def test_spellings_of_a_retry_policy(given: dict[str, Any], meant: dict[str, Any]) -> None:
    policy = RetryPolicy(**given)
    assert {name: getattr(policy, name) for name in meant} == meant
    assert isinstance(policy, holdwater.RetryPolicy)
    assert dataclasses.replace(policy, max_attempts=7).max_attempts == 7


def test_the_originals_words_can_be_read() -> None:
    policy = RetryPolicy(4, initial_delay=0.5)
    assert (policy.max_attempts, policy.initial_delay_seconds, policy.max_delay_seconds) == (4, 0.5, 60.0)
    assert (policy.backoff_multiplier, policy.retryable_categories) == (2.0, ("TRANSIENT", "TIMEOUT"))


def test_a_spelling_given_twice_or_unknown() -> None:
    with pytest.raises(ValueError, match="initial_delay_seconds= or initial_delay="):
        RetryPolicy(initial_delay=1.0, initial_delay_seconds=1.0)
    with pytest.raises(TypeError):
        RetryPolicy(attempts=3)


@pytest.mark.parametrize(("category", "calls"), [("TRANSIENT", 3), ("INTERNAL", 1)])
def test_only_what_may_pass_is_tried_again(category: str, calls: int) -> None:
    called: list[int] = []

    def fail(ctx: Any, config: Any) -> StepResult:
        called.append(1)
        return StepResult.fail("no", category)

    step = Step.lambda_("a", fail, on_error="retry", retry=RetryPolicy(initial_delay=0.0))
    with WorkflowRunner() as runner:
        assert runner.execute(Workflow("tries", [step])).status == "failed"
    assert len(called) == calls


# -- workflows and runners


def nothing(ctx: Any, config: Any) -> None: ...


def test_a_workflow_put_together() -> None:
    workflow = (
        Workflow.builder("night", domain="filings")
        .add_lambda("a", nothing)
        .add_pipeline("b", "some.pipeline", params={"x": 1})
        .add_choice("c", when=lambda ctx: True, then="d")
        .add_wait("d", 0)
        .add_map("e", items=[1], iterator=Workflow("one", [Step.lambda_("f", nothing)]))
        .build()
    )
    assert isinstance(workflow, steps.Workflow)
    assert (workflow.domain, workflow.step_names()) == ("filings", ["a", "b", "c", "d", "e"])
    assert [str(step.step_type) for step in workflow.steps] == ["lambda", "pipeline", "choice", "wait", "map"]
    with pytest.raises(ValueError, match="Duplicate step name"):
        Workflow.builder("twice").add_lambda("a", nothing).add_lambda("a", nothing).build()


def test_tiers() -> None:
    a, end = Step.lambda_("a", nothing), Step.lambda_("end", nothing)
    assert Workflow("x", [a]).required_tier() == "basic"
    assert Workflow("x", [Step.choice("c", bool, "end"), end]).required_tier() == "intermediate"
    assert Workflow("x", [a, Step.wait("w", 0)]).required_tier() == "advanced"
    assert isinstance(Workflow.from_dict(Workflow("x", [Step.pipeline("a", "b")]).to_dict()), Workflow)


def test_params_by_position_and_the_originals_error_for_a_start() -> None:
    seen: list[Any] = []
    workflow = Workflow("positions", [Step.lambda_("a", lambda ctx, config: seen.append(ctx.params["x"]))])
    with orchestration.get_workflow_runner() as runner:
        assert runner.execute(workflow, {"x": 1}, {"week": 2}).partition == {"week": 2}
        with pytest.raises(orchestration.GroupError, match="start_from='b'"):
            runner.execute(workflow, start_from="b")
    assert seen == [1]


# -- pipelines


class Hello(framework.Pipeline):
    def run(self) -> framework.PipelineResult:
        if "bad" in self.params:
            raise ConnectionError("no line")
        return framework.PipelineResult(framework.PipelineStatus.COMPLETED, metrics={"hello": self.params["who"]})


def test_the_register_of_pipelines() -> None:
    framework.register_pipeline("greet")(Hello)
    assert framework.get_pipeline("greet") is Hello
    assert "greet" in framework.list_pipelines()
    with pytest.raises(ValueError, match="already registered"):
        framework.register_pipeline("greet")(Hello)
    with pytest.raises(KeyError, match="greet"):
        framework.get_pipeline("greeet")
    with pytest.raises(framework.PipelineNotFoundError):
        framework.get_dispatcher().submit("nobody")


def test_clearing_it(monkeypatch: pytest.MonkeyPatch) -> None:
    other = type(pipeline_registry)()
    other.register("a", Hello)
    monkeypatch.setattr(framework, "pipeline_registry", other)
    framework.clear_registry()
    assert framework.list_pipelines() == []


def test_the_dispatcher_runs_at_once() -> None:
    framework.register_pipeline("greet")(Hello)
    dispatcher = framework.get_dispatcher()
    done = dispatcher.submit("greet", {"who": "ada"})
    assert (done.status, done.error, done.result.metrics) == ("completed", None, {"hello": "ada"})
    assert done.started_at is not None
    assert done.completed_at is not None
    failed = dispatcher.submit("greet", {"bad": True})
    assert (failed.status, failed.error, failed.error_category) == ("failed", "ConnectionError: no line", "TRANSIENT")
    assert dispatcher.submit("greet", {"who": "ada"}).id != done.id


@pytest.mark.parametrize(
    ("params", "status", "category"), [({"who": "ada"}, "completed", None), ({"bad": 1}, "failed", "TRANSIENT")]
)
def test_a_runner_with_a_dispatcher(params: dict[str, Any], status: str, category: str | None) -> None:
    framework.register_pipeline("greet")(Hello)
    workflow = Workflow("greeting", [Step.pipeline("hello", "greet")])
    with WorkflowRunner(dispatcher=framework.get_dispatcher()) as runner:
        result = runner.execute(workflow, params=params)
    assert (result.status, result.error_category) == (status, category)
    assert result.context.get_output("hello", "hello") == params.get("who")


def test_the_dispatcher_keeps_what_it_ran() -> None:
    framework.register_pipeline("greet")(Hello)
    framework.reset_dispatcher()
    dispatcher = framework.get_dispatcher()
    done = dispatcher.submit("greet", {"who": "ada"}, framework.Lane.SLOW, framework.TriggerSource.API, "ada-1")
    failed = dispatcher.submit("greet", {"bad": True})
    assert (done.lane, done.trigger_source, done.logical_key) == ("slow", "api", "ada-1")
    assert dispatcher.get_execution(done.id) is done
    assert dispatcher.get_execution("nobody") is None
    assert dispatcher.list_executions() == [failed, done]
    assert dispatcher.list_executions(status="completed") == dispatcher.list_executions("greet")[1:] == [done]
    framework.reset_dispatcher()
    assert framework.get_dispatcher().list_executions() == []


def test_a_runner_of_pipelines() -> None:
    framework.register_pipeline("greet")(Hello)
    runner = framework.PipelineRunner()
    assert [str(result.status) for result in runner.run_all(["greet", "greet"], {"who": "ada"})] == ["completed"] * 2
    (failed,) = runner.run_all(["greet", "greet"], {"bad": True})
    assert failed.error == "ConnectionError: no line"
    with pytest.raises(framework.PipelineNotFoundError):
        runner.run("nobody")


# -- parameters

ParamDef = params.ParamDef
WEEK = ParamDef("week", str, "the week", validator=params.date_format, error_message="is no date")
TIER = ParamDef("tier", str, required=False, default="NMS", validator=params.enum_value(["NMS", "OTC"]))
RATE = ParamDef("rate", float, required=False)
COUNT = ParamDef("count", int, required=False, default=1, validator=params.positive_int)
SPEC = params.PipelineSpec({"week": WEEK}, {"tier": TIER, "rate": RATE, "count": COUNT}, "Loads a week", ["week=..."])


class Load(framework.Pipeline):
    name = "load"
    spec = SPEC

    def run(self) -> dict[str, Any]:
        return dict(self.params)


@pytest.mark.parametrize(
    ("given", "missing", "invalid"),
    [
        ({"week": "2026-11-30"}, [], {}),
        ({"week": "2026-11-30", "rate": 3, "count": 7, "tier": "OTC", "other": object()}, [], {}),
        ({"week": "2026-11-30", "tier": None}, [], {}),
        ({}, ["week"], {}),
        ({"week": None}, ["week"], {}),
        ({"week": "soon"}, [], {"week": "is no date"}),
        ({"week": 7}, [], {"week": "must be str, not int"}),
        ({"week": "2026-11-30", "count": True}, [], {"count": "must be int, not bool"}),
        ({"week": "2026-11-30", "rate": "3"}, [], {"rate": "must be float, not str"}),
        ({"tier": "AMEX", "count": 0}, ["week"], {"tier": "'AMEX' will not do", "count": "0 will not do"}),
    ],
)
def test_parameters_of_pipelines(given: dict[str, Any], missing: list[str], invalid: dict[str, str]) -> None:
    framework.register_pipeline("load")(Load)
    before = dict(given)
    found = SPEC.validate(given)
    assert (found.valid, found.missing_params, found.invalid_params) == (not missing and not invalid, missing, invalid)
    workflow = Workflow("loading", [Step.pipeline("load", "load", given)])
    if found.valid:
        metrics = framework.PipelineRunner().run("load", given).metrics
        assert metrics == {"tier": "NMS", "rate": None, "count": 1, **given}
    else:
        for run in (framework.PipelineRunner().run, framework.get_dispatcher().submit):
            with pytest.raises(framework.BadParamsError, match="'load'") as caught:
                run("load", given)
            assert (caught.value.missing_params, caught.value.invalid_params) == (missing, invalid)
        with WorkflowRunner() as runner:
            result = runner.execute(workflow)
        assert (result.status, result.error_category) == ("failed", "CONFIGURATION")
        assert all(name in str(result.error) for name in [*missing, *invalid])
    assert given == before


def test_help_about_parameters() -> None:
    text = SPEC.get_help_text().splitlines()
    assert text[:3] == ["Loads a week", "Required:", "  week: str  the week"]
    assert "  tier: str (default 'NMS')" in text
    assert text[-2:] == ["Examples:", "  week=..."]


@pytest.mark.parametrize(
    ("validator", "good", "bad"),
    [
        (params.file_exists, __file__, "/nowhere/at/all"),
        (params.positive_int, 1, 0),
        (params.non_negative_int, 0, -1),
        (params.positive_int, 5, True),
        (params.date_format, "2026-02-28", "2026-02-30"),
        (params.date_format, "2026-02-28", 7),
        (params.enum_value(framework.Lane), "slow", "fast"),
        (params.enum_value(framework.Lane), framework.Lane.SLOW, None),
    ],
)
def test_validators(validator: Any, good: Any, bad: Any) -> None:
    assert validator(good)
    assert not validator(bad)


# -- errors with categories

STANDS_FOR = {
    "NETWORK": "TRANSIENT", "DATABASE": "TRANSIENT", "CONFIG": "CONFIGURATION", "SOURCE": "DEPENDENCY",
    "VALIDATION": "DATA_QUALITY",
}  # fmt: skip
KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.SpineError)]


@pytest.mark.parametrize(
    ("error", "category", "calls"),
    [
        *[(kind("no"), kind.default_category, None) for kind in KINDS],
        *[(errors.SpineError("no", category=one), one, None) for one in errors.ErrorCategory],
        (errors.SpineError("no", retryable=True), "TRANSIENT", 3),
        (errors.NetworkError("no", retryable=False), "NETWORK", 1),
        (errors.SourceError("no", retryable=True), "SOURCE", None),
    ],
)
def test_errors_say_whether_a_step_is_tried_again(error: Any, category: str, calls: int | None) -> None:
    called: list[int] = []

    def fail(ctx: Any, config: Any) -> None:
        called.append(1)
        raise error

    meant = STANDS_FOR.get(category, str(category))
    step = Step.lambda_("a", fail, on_error="retry", retry=RetryPolicy(initial_delay=0.0))
    with WorkflowRunner() as runner:
        result = runner.execute(Workflow("raising", [step]))
    assert (result.status, result.error_category, error.category) == ("failed", meant, category)
    assert len(called) == (calls or (3 if meant == "TRANSIENT" else 1))


def test_details_of_an_error() -> None:
    error = errors.ParseError("no", path="a.csv")
    assert (str(error), error.message, error.details, error.retryable) == ("no", "no", {"path": "a.csv"}, None)
