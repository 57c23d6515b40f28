"""Defining workflows: the decorator and the builder."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any

import pytest

from holdwater.errors import ConfigError, WorkflowError, WorkflowNotFound
from holdwater.model.policies import RetryPolicy
from holdwater.model.registry import registry as process_wide
from holdwater.tasks import Context, TaskWorkflow, WorkflowBuilder, register_workflow_constructor, task, task_success
from holdwater.tasks import TaskWorkflowDefinition as Program
from tests.tasks.driver import KernelRun, get_definition, make_builder


def body(c: Context) -> None: ...


def define(**options: Any) -> Program:
    made, registry = make_builder()
    with made:
        task(id="first")(body)
        task(**{"id": "x", **options})(lambda c: None)
    return get_definition(registry)


@pytest.mark.parametrize(
    ("options", "policy"),
    [
        ({}, RetryPolicy()),
        ({"retry_attempts": 0}, RetryPolicy(max_attempts=1)),
        ({"retry_attempts": 1}, RetryPolicy(max_attempts=1)),
        ({"retry_attempts": 3}, RetryPolicy(max_attempts=3)),
        ({"retry_attempts": 2, "retry_backoff": "fixed"}, RetryPolicy(max_attempts=2, backoff="fixed")),
        (
            {"retry_backoff": "linear", "retry_delay_ms": 250, "retry_max_delay_ms": 1500},
            RetryPolicy(backoff="linear", initial_delay=0.25, max_delay=1.5),
        ),
        ({"retry_condition": "transient", "retry_jitter": True}, RetryPolicy(condition="transient", jitter=True)),
        ({"retry": RetryPolicy(max_attempts=7)}, RetryPolicy(max_attempts=7)),
    ],
)
def test_retries(options: dict[str, Any], policy: RetryPolicy) -> None:
    assert define(**options).policy(1).retry == policy


@pytest.mark.parametrize(("given", "expected"), [(None, None), (5, 5.0), (0.5, 0.5)])
def test_timeout(given: Any, expected: Any) -> None:
    assert define(timeout_seconds=given).policy(1).timeout_seconds == expected


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"retry_backoff": "random"}, ConfigError, "'random'"),
        ({"retry_condition": "sometimes"}, ConfigError, "'sometimes'"),
        ({"retry_attempts": -1}, ConfigError, "retry_attempts"),
        ({"retry_attempts": "3"}, ConfigError, "retry_attempts"),
        ({"retry_delay_ms": -1}, ConfigError, "retry_delay_ms"),
        ({"retry_max_delay_ms": "x"}, ConfigError, "retry_max_delay_ms"),
        (
            {"retry": RetryPolicy(), "retry_attempts": 2, "retry_jitter": True},
            ConfigError,
            "retry_attempts, retry_jitter",
        ),
        ({"retry": 3}, ConfigError, "RetryPolicy"),
        ({"timeout_seconds": 0}, ConfigError, "timeout_seconds"),
        ({"dependencies": [1]}, WorkflowError, "dependency 0"),
        ({"dependencies": ["first", None]}, WorkflowError, "dependency 1"),
        ({"dependencies": "first"}, WorkflowError, "list"),
        ({"dependencies": ["frist"]}, WorkflowError, "did you mean 'first'"),
        ({"dependencies": [lambda c: None]}, WorkflowError, "<lambda>"),
        ({"dependencies": ["public::embedded::other::first"]}, WorkflowError, "not in this workflow"),
        ({"dependencies": ["a::b"]}, WorkflowError, "namespace"),
        ({"trigger_rules": "always"}, WorkflowError, "always"),
        ({"trigger_rules": task_success("frist")}, WorkflowError, "(?s)rule of task 'x'.*did you mean 'first'"),
        ({"trigger_rules": task_success("x")}, WorkflowError, "x -> x"),
        ({"invokes": object()}, WorkflowError, "invokes"),
        ({"post_invocation": body}, WorkflowError, "post_invocation"),
        ({"on_success": 1}, ConfigError, "on_success"),
        ({"id": ""}, WorkflowError, "empty"),
        ({"id": "a::b"}, WorkflowError, "::"),
        ({"id": "*"}, WorkflowError, "initial context"),
        ({"id": "first"}, WorkflowError, "two tasks"),
    ],
)
def test_arguments_that_make_no_sense(options: dict[str, Any], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says) as caught:
        define(**options)
    assert isinstance(caught.value, ValueError)


def test_the_function_stays_as_it_is_in_every_spelling() -> None:
    made, registry = make_builder()
    with made:
        assert task(body) is body

        @task
        def bare(c: Context) -> None: ...

        @task()
        def called(c: Context) -> None: ...

        @task(id="named")
        def other(c: Context) -> None: ...

        task(id="partial")(functools.partial(lambda n, c: None, 1))
    assert [t.id for t in get_definition(registry).workflow.tasks] == ["body", "bare", "called", "named", "partial"]


def test_outside_of_a_builder() -> None:
    with pytest.raises(WorkflowError, match="No workflow context") as caught:
        task(id="x")(body)
    assert isinstance(caught.value, ValueError)
    with pytest.raises(WorkflowError, match="No workflow context"):
        task(body)


def test_a_body_must_take_the_context() -> None:
    made, _ = make_builder()
    with pytest.raises(WorkflowError, match="'empty'"), made:
        task(id="empty")(lambda: None)


def test_dependencies_by_function_mean_its_registered_id() -> None:
    def wrapping(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def outer(*args: Any) -> Any:
            return function(*args)

        return outer

    made, registry = make_builder()
    with made:

        @task(id="one")
        def same(c: Context) -> None: ...

        first = same

        @task(id="two")
        def same(c: Context) -> None: ...

        @wrapping
        @task(id="three")
        def wrapped(c: Context) -> None: ...

        task(id="end", dependencies=[first, same, wrapped, "one", "public::embedded::w::two"])(body)
    assert get_definition(registry).plan.nodes[-1].after == ("one", "two", "three")


def test_a_function_that_is_two_tasks_is_no_dependency() -> None:
    made, _ = make_builder()
    with pytest.raises(WorkflowError, match="several tasks: 'a', 'b'"), made:
        task(id="a")(body)
        task(id="b")(body)
        task(id="c", dependencies=[body])(lambda c: None)


def test_dependencies_may_be_defined_later() -> None:
    made, registry = make_builder()
    with made:
        task(id="end", dependencies=["start"])(lambda c: c.set("end", c["start"]))
        task(id="start")(lambda c: c.set("start", 1))
    assert KernelRun(get_definition(registry)).run_to_end().final_context == {"start": 1, "end": 1}


@pytest.mark.parametrize(
    ("edges", "cycle"),
    [
        ({"a": ["a"]}, "a -> a"),
        ({"a": ["b"], "b": ["a"]}, "a -> b -> a"),
        ({"ok": [], "a": ["c", "ok"], "b": ["a"], "c": ["b"], "tail": ["c"]}, "a -> b -> c -> a"),
    ],
)
def test_cycles_are_named(edges: dict[str, list[str]], cycle: str) -> None:
    made, registry = make_builder()
    with pytest.raises(WorkflowError) as caught, made:
        for name, dependencies in edges.items():
            task(id=name, dependencies=dependencies)(lambda c: None)
    path = caught.value.message.split(": ")[1].split(" -> ")
    assert path[0] == path[-1]
    at = path.index("a")
    assert " -> ".join([*path[at:-1], *path[:at], "a"]) == cycle
    assert registry.names() == ()


def test_a_cycle_through_a_rule() -> None:
    made, _ = make_builder()
    with pytest.raises(WorkflowError, match="circular"), made:
        task(id="a", trigger_rules=task_success("b"))(lambda c: None)
        task(id="b", dependencies=["a"])(lambda c: None)


def test_a_long_cycle_and_a_long_chain_do_not_recurse() -> None:
    made, _ = make_builder()
    with pytest.raises(WorkflowError, match="circular"), made:
        for i in range(5000):
            task(id=f"t{i}", dependencies=[f"t{(i - 1) % 5000}"])(lambda c: None)


@pytest.mark.parametrize("name", ["", "  ", None, 3, "a::b"])
def test_names(name: Any) -> None:
    for options in ({"name": name}, {"name": "w", "workflow": name or ""}, {"name": "w", "tenant": name or ""}):
        with pytest.raises(WorkflowError, match="name of a"):
            WorkflowBuilder(**options)


def test_an_empty_workflow() -> None:
    made, registry = make_builder()
    with pytest.raises(WorkflowError, match="cannot be empty"), made:
        pass
    with pytest.raises(WorkflowError, match="cannot be empty"):
        made.build()
    assert registry.names() == ()


def test_an_exception_in_the_block_comes_out_and_registers_nothing() -> None:
    made, registry = make_builder()
    with pytest.raises(ZeroDivisionError), made:
        task(id="x")(body)
        1 / 0
    assert registry.names() == ()
    with pytest.raises(WorkflowError, match="No workflow context"):
        task(id="y")(body)


def test_the_same_name_again_redefines() -> None:
    made, registry = make_builder()
    with made:
        task(id="old")(body)
    with WorkflowBuilder("w", into=registry):
        task(id="new")(body)
    assert [t.id for t in get_definition(registry).workflow.tasks] == ["new"]


def test_the_same_function_again_is_no_duplicate() -> None:
    made, registry = make_builder()
    with made:
        task(id="x")(body)
        task(id="x", retry_attempts=2)(body)
    assert get_definition(registry).policy(0).retry.max_attempts == 2


def test_builders_nest_and_threads_do_not_share_them() -> None:
    outer, registry = make_builder("outer")
    inner = WorkflowBuilder("inner", into=registry)
    seen: list[BaseException] = []

    def elsewhere() -> None:
        try:
            task(id="stray")(body)
        except WorkflowError as error:
            seen.append(error)

    with outer:
        task(id="a")(body)
        with inner:
            task(id="b")(body)
        task(id="c")(body)
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
    assert [[t.id for t in get_definition(registry, w).workflow.tasks] for w in ("outer", "inner")] == [
        ["a", "c"],
        ["b"],
    ]
    assert len(seen) == 1


def test_description_tags_and_where() -> None:
    made, registry = make_builder("w", tenant="acme", package="p", workflow="id")
    with made as entered:
        assert entered is made
        assert made.description("says").tag("team", "data") is made
        task(id="x")(body)
    assert registry.names() == ("id",)
    workflow = get_definition(registry, "id").workflow
    assert (workflow.name, workflow.description, workflow.tags) == ("w", "says", {"team": "data"})
    assert workflow.get_roots() == ["acme::p::id::x"]
    with pytest.raises(WorkflowError, match="tag"):
        made.tag("n", 1)  # type: ignore[arg-type]


def test_add_task_takes_what_was_defined_under_the_same_name() -> None:
    made, registry = make_builder()
    with made:
        task(id="a")(body)
        task(id="b", dependencies=["a"])(lambda c: None)
    again = WorkflowBuilder("w", into=registry)
    assert again.add_task("a").add_task(body) is again
    workflow = again.build()
    assert [t.id for t in workflow.tasks] == ["a"]
    with pytest.raises(WorkflowError, match="'nope'"):
        again.add_task("nope")
    with pytest.raises(WorkflowError, match="string task ID or a function object"):
        again.add_task(3)  # type: ignore[arg-type]
    with pytest.raises(WorkflowError, match="'a'"):
        WorkflowBuilder("other", into=registry).add_task("a")
    with pytest.raises(WorkflowError, match="names the task 'a'"):
        WorkflowBuilder("w", into=registry).add_task("b").build()


def test_register_workflow_constructor() -> None:
    made, registry = make_builder()
    calls: list[int] = []

    def construct() -> TaskWorkflow:
        calls.append(1)
        with made:
            task(id="x")(body)
        return made.build()

    register_workflow_constructor("alias", construct, into=registry)
    assert registry.names() == ("alias", "w")
    assert registry.get("alias").plan.name == "alias"
    assert KernelRun(get_definition(registry, "alias")).run_to_end().machine.status == "completed"
    assert calls == [1]
    with pytest.raises(WorkflowError, match="returned int"):
        register_workflow_constructor("bad", lambda: 3, into=registry)  # type: ignore[arg-type,return-value]
    with pytest.raises(WorkflowNotFound):
        registry.get("bad")


def test_without_another_registry_the_process_wide_one_is_told() -> None:
    name = "tests.tasks.test_task_definition"
    try:
        with WorkflowBuilder(name):
            task(id="x")(body)
        assert name in process_wide.names()
    finally:
        process_wide.unregister(name)
