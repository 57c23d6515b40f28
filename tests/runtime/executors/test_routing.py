"""Which executor runs which body: patterns, precedence, names that are not there."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import assume
from hypothesis import strategies as st

from holdwater import Context, DefaultRunner, DefaultRunnerConfig
from holdwater.errors import ConfigError, ExecutorNotFound
from holdwater.executors import ProcessExecutor, Router, RoutingRule, ThreadExecutor
from tests.suite.effort import property_test
from tests.suite.runners import SIGNAL_TIMEOUT_SECONDS, Define, Gate

NAME = "public::embedded::report::render_pdf"


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        (NAME, True),
        ("public::embedded::report::render_png", False),
        ("public::embedded::report::render_*", True),
        ("public::embedded::report::*_pdf", True),
        ("public::embedded::report::r*_*f", True),
        ("public::embedded::report::*", True),
        ("*::*::*::*", True),
        ("**", True),
        ("**::render_*", True),
        ("public::**", True),
        ("acme::**", False),
        ("public::**::render_pdf", True),
        ("**::report::**", True),
        ("**::reports::**", False),
        ("public::embedded::report::render_pdf::**", True),
        ("public::embedded::report::render.pdf", False),
        ("public::embedded::report::render_[p]df", False),
    ],
)
def test_patterns(pattern: str, matches: bool) -> None:
    assert (Router([(pattern, "cpu")]).executor_for(NAME) == "cpu") is matches


def test_a_star_stays_within_its_segment() -> None:
    router = Router([("public::*::render_pdf::*", "cpu")])
    assert router.executor_for(NAME) == "default"
    assert Router([("public::embedded::a:*::x", "cpu")]).executor_for("public::embedded::a:b\nc::x") == "cpu"


def test_the_first_match_wins_and_the_default_is_last() -> None:
    router = Router([RoutingRule("**::render_pdf", "a"), ("**::render_*", "b")], default="rest")
    assert [router.executor_for(n) for n in (NAME, NAME[:-3] + "png", "t::p::w::x")] == ["a", "b", "rest"]


@pytest.mark.parametrize(
    "pattern", ["", "a::", "::a", "render_*", "a::b::c", "a::b::c::d::e", "a::**::b::c::d::e", "a::x**::c::d", "a**"]
)
def test_patterns_that_cannot_match_are_refused(pattern: str) -> None:
    with pytest.raises(ConfigError, match="routing pattern"):
        Router([(pattern, "cpu")])


@pytest.mark.parametrize("rule", ["**", ("**",), ("**", ""), ("**", 3), (3, "cpu"), None])
def test_rules_that_are_none_are_refused(rule: Any) -> None:
    with pytest.raises(ConfigError, match="routing rule"):
        Router([rule])


def test_a_router_is_a_value() -> None:
    router = Router([("**::a", "cpu")], default="x")
    again = pickle.loads(pickle.dumps(router))
    assert again == router
    assert hash(again) == hash(router)
    assert again.executor_for("t::p::w::a") == "cpu"
    assert repr(router) == "Router([('**::a', 'cpu')], default='x')"


def test_unknown_executors_are_found_when_the_runner_is_built(open_runner: Callable[..., DefaultRunner]) -> None:
    with pytest.raises(ExecutorNotFound, match=r"(?s)'\*\*::a' names.*'cpus'.*did you mean 'cpu'"):
        open_runner(executors={"cpu": ThreadExecutor(1)}, routing=Router([("**::a", "cpus")]))
    with pytest.raises(ExecutorNotFound, match="the default of the routing"):
        open_runner(routing=Router(default="cpu"))


def test_a_task_that_asks_for_an_unknown_executor_is_refused_at_the_start(
    runner: DefaultRunner, define: Define
) -> None:
    define("w", ("a", lambda context: None, {"executor": "gpu"}))
    with pytest.raises(ExecutorNotFound, match="task 'a' asks for the executor 'gpu'"):
        runner.submit("w")
    assert runner.list_runs() == []


def test_the_task_comes_before_the_rules_and_they_before_the_default(
    open_runner: Callable[..., DefaultRunner], define: Define
) -> None:
    runner = open_runner(
        executors={name: ThreadExecutor(1) for name in ("a", "b", "c")},
        routing=Router([("**::ruled", "b"), ("**::asks", "b")], default="c"),
    )
    define(
        "w",
        ("asks", lambda context: None, {"executor": "a"}),
        ("ruled", lambda context: None, {}),
        ("rest", lambda context: None, {}),
        ("rest2", lambda context: None, {}),
    )
    assert runner.execute("w").status == "Completed"
    assert {k: m.total_executed for k, m in runner.executor_metrics().items()} == {"default": 0, "a": 1, "b": 1, "c": 2}


def test_the_executor_is_no_part_of_the_structure(define: Define) -> None:
    from holdwater.model.registry import registry

    structures = []
    for options in ({}, {"executor": "cpu"}):
        define("w", ("a", lambda context: None, options))
        structures.append(registry.get("w").plan.structure)
    assert structures[0] == structures[1]


def test_a_runner_leaves_runs_alone_that_need_executors_of_others(
    open_runner: Callable[..., DefaultRunner], define: Define, gate: Gate
) -> None:
    def body(context: Context) -> None:
        gate()

    define("w", ("a", body, {"executor": "io"}), ("b", lambda context: None, {"dependencies": ["a"]}))
    define("other", ("a", lambda context: None, {}))
    first = open_runner(executors={"io": ThreadExecutor(1)}, shutdown_timeout_seconds=0)
    handle = first.submit("w")
    gate.wait_started()
    first.shutdown()
    without = open_runner()
    assert without.execute("other").status == "Completed"
    assert without.handle(handle.run_id).status == "Running"
    gate.open.set()
    second = open_runner(executors={"io": ThreadExecutor(1)})
    assert second.handle(handle.run_id).result(SIGNAL_TIMEOUT_SECONDS).status == "Completed"


def matches_by_regex(pattern: str, name: str) -> bool:
    """The same by one regular expression, every segment of the name ended by `::`."""
    parts = [
        "(?:[^:]+::)*" if one == "**" else ".*".join(map(re.escape, one.split("*"))).replace(".*", "[^:]*") + "::"
        for one in pattern.split("::")
    ]
    return re.fullmatch("".join(parts), name + "::") is not None


words = st.text("ab*", min_size=1, max_size=4).filter(lambda text: "**" not in text)


@property_test(
    st.lists(words | st.just("**"), min_size=1, max_size=6),
    st.lists(st.text("ab", min_size=1, max_size=4), min_size=4, max_size=4),
    quick_examples=50,
    long_examples=3000,
)
def test_patterns_match_as_expressions_do(pattern: list[str], name: list[str]) -> None:
    fixed = sum(one != "**" for one in pattern)
    assume(fixed <= 4 and (fixed == 4 or "**" in pattern))
    router = Router([("::".join(pattern), "cpu")])
    assert (router.executor_for("::".join(name)) == "cpu") == matches_by_regex("::".join(pattern), "::".join(name))


@pytest.mark.parametrize(
    "pattern", ["::".join(["**"] * 60 + ["x"]), "**::" + "a*" * 2_000 + "b", "::".join(["**", "*a"] * 4 + ["**"] * 40)]
)
def test_matching_takes_no_longer_than_both_are_long(pattern: str) -> None:
    router = Router([(pattern, "cpu")])
    assert router.executor_for("::".join(["a" * 2_000] * 3 + ["a" * 5_000])) == (
        "cpu" if pattern.endswith("**") else "default"
    )


def test_executors_in_the_configuration() -> None:
    config = DefaultRunnerConfig(executors={"cpu": ProcessExecutor(2, idle_seconds=3)}, routing=Router([("**", "cpu")]))
    again = DefaultRunnerConfig(**pickle.loads(pickle.dumps(config.to_dict())))
    assert again == config
    assert again.executors == {"cpu": ProcessExecutor(2, idle_seconds=3)}
    again.executors["x"] = ThreadExecutor(1)
    assert list(again.executors) == ["cpu"]
    assert DefaultRunnerConfig().executors == {}
    assert "ProcessExecutor(max_workers=2" in repr(config)


@pytest.mark.parametrize(
    "options",
    [
        {"executors": [ProcessExecutor()]},
        {"executors": {"": ProcessExecutor()}},
        {"executors": {"cpu": ProcessExecutor}},
        {"executors": {"cpu": 3}},
        {"routing": [("**", "cpu")]},
    ],
)
def test_configurations_that_make_no_sense(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        DefaultRunnerConfig(**options)


@pytest.mark.parametrize(
    "make",
    [
        lambda: ProcessExecutor(0),
        lambda: ProcessExecutor(True),
        lambda: ProcessExecutor(max_tasks_per_worker=0),
        lambda: ProcessExecutor(idle_seconds=0),
        lambda: ThreadExecutor(-1),
    ],
)
def test_sizes_that_make_no_sense(make: Callable[[], Any]) -> None:
    with pytest.raises(ConfigError):
        make()
