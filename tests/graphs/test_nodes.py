"""Functions as nodes: what `@node` makes of them, and what it refuses."""

from __future__ import annotations

import functools
import inspect
import threading
import warnings
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, assert_type

import pytest

from holdwater.errors import GraphConfigError, SignatureError
from holdwater.graphs import END, FunctionNode, Node, NodeContext, ifelse, interrupt, node, route
from holdwater.model.policies import RetryPolicy

if TYPE_CHECKING:
    from somewhere_else import Unknown  # type: ignore[import-not-found]


@node(output_name="doubled")
def double(x: int, times: int = 2) -> int:
    """Twice as much."""
    return x * times


def test_a_node_is_still_the_function_it_was() -> None:
    assert double(3) == 6
    assert double(x=3, times=3) == 9
    assert double.func(1) == 2
    assert double.__name__ == "double"
    assert double.__doc__ == "Twice as much."
    assert list(inspect.signature(double).parameters) == ["x", "times"]


def test_types_survive_decoration() -> None:
    @ifelse("a", "b")
    def even(x: int) -> bool:
        return x % 2 == 0

    @interrupt(answer_name="reply")
    async def ask(x: int) -> str:
        return str(x)

    assert_type(double(3), int)
    assert_type(even(3), bool)
    question: Coroutine[Any, Any, str] = ask(3)
    question.close()
    assert_type(double.with_name("other").rename_inputs(x="y")(3), int)
    assert even(2)


def test_its_names_come_from_the_function() -> None:
    assert double.name == "double"
    assert double.inputs == ("x", "times")
    assert double.outputs == double.data_outputs == ("doubled",)
    assert (double.is_async, double.is_generator, double.is_gate, double.is_interrupt) == (False,) * 4
    assert (double.cache, double.hide, double.wait_for, double.retry, double.timeout) == (False, False, (), None, None)


def test_bare_it_has_no_outputs() -> None:
    @node
    def log(message: str) -> None: ...

    assert log.outputs == ()


def test_options() -> None:
    policy = RetryPolicy(max_attempts=3)

    @node(
        output_name=("low", "high"),
        rename_inputs={"xs": "values"},
        cache=True,
        hide=True,
        emit="split",
        wait_for=["loaded", "checked"],
        retry=policy,
        timeout=2.5,
        name="bounds",
    )
    def limits(xs: list[int]) -> tuple[int, int]:
        return min(xs), max(xs)

    assert limits.name == "bounds"
    assert limits.inputs == ("values",)
    assert limits.outputs == ("low", "high", "split")
    assert limits.data_outputs == ("low", "high")
    assert limits.emit == ("split",)
    assert limits.wait_for == ("loaded", "checked")
    assert (limits.cache, limits.hide, limits.retry, limits.timeout) == (True, True, policy, 2.5)
    assert limits([1, 2]) == (1, 2)


def test_the_constructor_takes_the_name_before_the_outputs() -> None:
    made = FunctionNode(len_of, "size", "n")
    assert (made.name, made.inputs, made.outputs) == ("size", ("text",), ("n",))


def len_of(text: str) -> int:
    return len(text)


def test_of_a_node_only_the_function_is_taken() -> None:
    again = FunctionNode(double.with_inputs(x="y"), output_name="other")
    assert (again.func, again.name, again.inputs) == (double.func, "double", ("x", "times"))


def test_the_four_kinds_of_functions() -> None:
    @node(output_name="a")
    async def coroutine() -> int:
        return 1

    @node(output_name="b")
    def generator() -> Iterator[int]:
        yield 1

    @node(output_name="c")
    async def async_generator() -> AsyncIterator[int]:
        yield 1

    kinds = [(n.is_async, n.is_generator) for n in (double, coroutine, generator, async_generator)]
    assert kinds == [(False, False), (True, False), (False, True), (True, True)]


class Scaler:
    def __init__(self, factor: int) -> None:
        self.factor = factor

    def scale(self, x: int) -> int:
        return x * self.factor

    async def scale_later(self, x: int) -> int:
        return x * self.factor

    def __call__(self, x: int) -> int:
        return x * self.factor


def test_methods_partials_objects_and_classes_are_functions_too() -> None:
    method = FunctionNode(Scaler(3).scale, output_name="y")
    part: FunctionNode[[int], int] = FunctionNode(functools.partial(double.func, times=5), output_name="y")
    instance = FunctionNode(Scaler(4), output_name="y")
    kind = FunctionNode(Scaler, output_name="scaler")

    assert (method.name, method.inputs, method(2)) == ("scale", ("x",), 6)
    assert (part.name, part.inputs, part(2)) == ("double", ("x", "times"), 10)
    assert part.get_default_for("times") == 5
    assert (instance.name, instance.inputs, instance(2)) == ("Scaler", ("x",), 8)
    assert instance.get_input_type("x") is int
    assert (kind.inputs, kind.get_input_type("factor"), kind.get_output_type("scaler")) == (("factor",), int, Scaler)
    assert FunctionNode(Scaler(3).scale_later, output_name="y").is_async


# -- what is refused


def positional(x: int, /) -> None: ...
def starred(*rows: int) -> None: ...
def keyworded(**fields: int) -> None: ...


@pytest.mark.parametrize(("function", "named"), [(positional, "'x'"), (starred, r"\*rows"), (keyworded, r"\*\*fields")])
def test_parameters_that_cannot_be_given_by_name(function: Callable[..., Any], named: str) -> None:
    with pytest.raises(TypeError, match=named) as raised:
        node(function)
    assert isinstance(raised.value, GraphConfigError)
    assert "hint" in str(raised.value)


def test_what_is_no_function() -> None:
    with pytest.raises(TypeError, match="output_name='result'"):
        node("result")  # type: ignore[call-overload]
    with pytest.raises(SignatureError, match="not 5"):
        FunctionNode(5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="colour"):
        node(colour="red")(len_of)  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"emit": "n"}, "more than once"),
        ({"wait_for": "text"}, "one of its inputs"),
        ({"rename_inputs": {"text": "go"}, "wait_for": "go"}, "one of its inputs"),
        ({"emit": "done", "wait_for": "done"}, "makes itself"),
        ({"wait_for": ["a", "a"]}, "twice"),
        ({"output_name": ("n", "n")}, "twice"),
        ({"output_name": 5}, "output_name"),
        ({"retry": 3}, "RetryPolicy"),
        ({"timeout": 0}, "timeout"),
        ({"timeout": True}, "timeout"),
        ({"name": 7}, "name of a node"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, Any], text: str) -> None:
    with pytest.raises((GraphConfigError, TypeError), match=text) as raised:
        node(**{"output_name": "n", **options})(len_of)
    assert isinstance(raised.value, ValueError)


def test_a_node_cannot_be_changed_or_made_without_a_kind() -> None:
    with pytest.raises(AttributeError, match="with_name"):
        double.name = "other"
    with pytest.raises(TypeError, match="abstract"):
        Node("a", (), ())  # type: ignore[abstract]


# -- a value that nothing can use


def test_a_lost_value_is_warned_of_at_the_function() -> None:
    def fetch() -> int:
        return 1

    with pytest.warns(UserWarning, match="no output_name") as caught:
        node(fetch)
    assert caught[0].filename == __file__
    assert caught[0].lineno == fetch.__code__.co_firstlineno


def test_no_value_is_lost_without_a_promise() -> None:
    def silent(x): ...  # type: ignore[no-untyped-def]
    def nothing() -> None: ...

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        node(silent)
        node(nothing)
        node(nothing).rename_inputs({}).with_name("other")


# -- defaults


def test_defaults() -> None:
    assert double.has_default_for("times")
    assert double.get_default_for("times") == 2
    assert not double.has_default_for("x")
    assert not double.has_default_for("unheard_of")
    with pytest.raises(KeyError):
        double.get_default_for("x")
    assert double.has_signature_default_for("times")
    assert double.get_signature_default_for("times") == 2


def test_every_execution_gets_a_default_of_its_own() -> None:
    @node(output_name="all")
    def collect(rows: list[list[int]] = [[]], limit: int = 10) -> list[list[int]]:  # noqa: B006
        return rows

    first, second = collect.fresh_default_for("rows"), collect.fresh_default_for("rows")
    first[0].append(1)
    assert second == [[]] == collect.get_default_for("rows")
    assert collect.fresh_default_for("limit") == 10


def test_a_default_that_cannot_be_copied_is_to_be_bound() -> None:
    lock = threading.Lock()

    @node(output_name="value")
    def guarded(guard: Any = lock) -> int:
        return 1

    with pytest.raises(GraphConfigError, match=r"bind\(guard=") as raised:
        guarded.fresh_default_for("guard")
    assert isinstance(raised.value.__cause__, TypeError)


# -- types


def test_types_are_forwarded() -> None:
    assert double.get_input_type("x") is int
    assert double.get_output_type("doubled") is int
    assert double.rename_outputs(doubled="twice").get_output_type("twice") is int


def test_types_of_several_outputs() -> None:
    def pair(x: int) -> tuple[int, str]:
        return x, str(x)

    assert node(output_name=("n", "text"))(pair).output_annotation == {"n": int, "text": str}
    assert node(output_name=("a", "b", "c"))(pair).output_annotation == {}
    assert node(output_name="both")(pair).output_annotation == {"both": tuple[int, str]}


def test_a_generator_makes_a_list() -> None:
    @node(output_name="rows")
    def rows() -> Iterator[int]:
        yield 1

    assert rows.get_output_type("rows") == list[int]


def test_one_unknown_annotation_does_not_hide_the_others() -> None:
    @node(output_name="y")
    def mixed(a: Unknown, b: int) -> str:
        return str(b)

    assert mixed.get_input_type("b") is int
    assert mixed.get_output_type("y") is str
    assert mixed.get_input_type("a").__forward_arg__ == "Unknown"


def test_without_annotations_there_are_no_types() -> None:
    def plain(x):  # type: ignore[no-untyped-def]
        return x

    made = node(output_name="y")(plain)
    assert made.get_input_type("x") is None
    assert made.get_output_type("y") is None


# -- the context of a run


def test_a_context_is_no_input() -> None:
    @node(output_name="y")
    def direct(x: int, ctx: NodeContext) -> int:
        return x

    @node(output_name="y")
    def optional(x: int, ctx: NodeContext | None = None) -> int:
        return x

    for made in (direct, optional, FunctionNode(checked_only(), output_name="y")):
        assert (made.inputs, made.context_param) == (("x",), "ctx")
    assert double.context_param is None


def checked_only() -> Callable[..., Any]:
    """As if NodeContext were imported under TYPE_CHECKING."""
    space: dict[str, Any] = {}
    exec("from __future__ import annotations\ndef f(x, ctx: graphs.NodeContext): return x", space)
    return space["f"]  # type: ignore[no-any-return]


# -- fingerprints


def test_the_fingerprint_is_that_of_the_code() -> None:
    assert len(double.definition_hash) == 64
    assert int(double.definition_hash, 16)
    renamed = double.with_name("other").rename_inputs(x="y").rename_outputs(doubled="z")
    assert renamed.definition_hash == double.definition_hash
    assert FunctionNode(len_of, output_name="n").definition_hash != double.definition_hash


def test_lambdas_in_one_line_differ() -> None:
    one, two = FunctionNode(lambda x: x + 1, "a", "y"), FunctionNode(lambda x: x + 2, "b", "y")
    assert one.definition_hash != two.definition_hash


def test_code_without_a_source_is_told_apart_by_its_instructions() -> None:
    def made(source: str) -> FunctionNode[..., Any]:
        space: dict[str, Any] = {}
        exec(source, space)
        return FunctionNode(space["f"], output_name="y")

    assert made("def f(x): return x + 1").definition_hash == made("def f(x): return x + 1").definition_hash
    assert made("def f(x): return x + 1").definition_hash != made("def f(x): return x + 2").definition_hash


def test_what_has_no_code_is_known_by_its_name() -> None:
    hashes = {FunctionNode(f, "f", "y").definition_hash for f in (pow, round, pow)}
    assert len(hashes) == 2


def test_state_that_is_bound_counts() -> None:
    def of(function: Callable[..., Any]) -> str:
        return FunctionNode(function, output_name="y").definition_hash

    assert of(Scaler(2).scale) == of(Scaler(2).scale) != of(Scaler(3).scale)
    assert of(Scaler(2)) == of(Scaler(2)) != of(Scaler(3))
    assert of(functools.partial(double.func, times=2)) != of(functools.partial(double.func, times=3))


def test_state_is_looked_at_in_any_order_and_however_deep() -> None:
    @dataclass
    class Part:
        names: set[str]
        table: dict[str, int]
        deeper: Any = None

        def work(self) -> int:
            return 1

    def of(part: Part) -> str:
        return FunctionNode(part.work, output_name="y").definition_hash

    first, second = Part({"a", "b", "c"}, {"x": 1, "y": 2}), Part({"c", "b", "a"}, {"y": 2, "x": 1})
    first.deeper, second.deeper = first, second
    assert of(first) == of(second)
    second.table["x"] = 5
    assert of(first) != of(second)
    for _ in range(5_000):
        first = Part(set(), {}, first)
    assert of(first) != of(second)


def test_state_that_cannot_be_known_needs_a_key() -> None:
    class Client:
        def __init__(self, url: str) -> None:
            self.url, self.lock = url, threading.Lock()

        def fetch(self) -> int:
            return 1

    class Keyed(Client):
        def cache_key(self) -> str:
            return self.url

    with pytest.raises(TypeError, match=r"cache_key\(\)"):
        FunctionNode(Client("a").fetch, output_name="y").definition_hash
    hashes = [FunctionNode(Keyed(url).fetch, output_name="y").definition_hash for url in "aab"]
    assert hashes[0] == hashes[1] != hashes[2]


# -- seen by people


def test_repr() -> None:
    assert repr(double) == "<FunctionNode double(x, times) -> doubled>"
    assert repr(double.with_name("twice").with_inputs(x="n")) == "<FunctionNode twice(n, times) -> doubled>"
    assert repr(node(positional_free)) == "<FunctionNode positional_free() -> nothing>"
    assert repr(route([END])(positional_free)) == "<RouteNode positional_free() -> nothing>"


def positional_free() -> None: ...
