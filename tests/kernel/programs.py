"""One program per feature.  No order, crash, pause or cancellation may change how one of them ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from holdwater.model.rules import AllOf, AnyOf, ValuePredicate
from tests.kernel.styles.graphs import END, Ask, FanOutNode, Fn, Gate, Interrupt, graph
from tests.kernel.styles.program import Defer, FanOutFunctions, NodeCall, Program, Question, Retry, gather_results
from tests.kernel.styles.steps import Choice, Jump, Map, Step, Wait, steps
from tests.kernel.styles.tasks import Context, Task, TaskFunction, failed, none_of, skipped, succeeded, tasks


@dataclass(frozen=True)
class Case:
    program: Program
    inputs: dict[str, Any]
    answers: Mapping[str, Sequence[Any]] = field(default_factory=dict)


# -- bodies of tasks


def set_values(**values: Any) -> TaskFunction:
    return lambda context, call: context.update(values)


def raise_error(context: Any, call: NodeCall) -> None:
    raise ValueError("boom")


def flaky(failures: int, **values: Any) -> TaskFunction:
    """Fails on its first attempts: a function of the attempt, so that a crash does not count."""

    def body(context: Context, call: NodeCall) -> None:
        if call.attempt <= failures:
            raise ConnectionError(f"attempt {call.attempt}")
        context.update(values)

    return body


def append_value(key: str, value: Any) -> TaskFunction:
    return lambda context, call: context.update({key: [*context.get(key, []), value]})


def poll_until_ready(context: Context, call: NodeCall) -> Defer | None:
    if call.now < 12_000_000:
        return Defer(5.0)
    context["polled"] = True
    return None


def delete_key(key: str) -> TaskFunction:
    def body(context: Context, call: NodeCall) -> None:
        del context[key]

    return body


def count_peers(key: str) -> TaskFunction:
    """Writes down how many keys it saw: siblings must be invisible."""
    return lambda context, call: context.update({key: len(context)})


def _diamond() -> Program:
    return tasks(
        "diamond",
        [
            Task("top", set_values(log=["top"], old=1, n=1)),
            Task("left", append_value("log", "left"), ("top",)),
            Task("right", append_value("log", "right"), ("top",)),
            Task("drop", delete_key("old"), ("top",)),
            Task("join", append_value("log", "join"), ("right", "left", "drop")),
        ],
    )


def _peers() -> Program:
    peers = [Task(f"peer{k}", count_peers(f"k{k}"), ("source",)) for k in range(5)]
    return tasks(
        "peers",
        [Task("source", set_values(a=1)), *peers, Task("sum", count_peers("all"), tuple(p.name for p in peers))],
    )


def _rules(first: TaskFunction) -> Program:
    return tasks(
        "rules",
        [
            Task("a", first),
            Task("big", set_values(big=1), ("a",), ValuePredicate("a", "greater_than", 5)),
            Task("after_big", set_values(after=1), ("big",)),
            Task("alarm", set_values(alarm=1), ("a", "big"), AnyOf((failed("a"), ValuePredicate("a", "less_than", 0)))),
            Task("quiet", set_values(quiet=1), ("a",), none_of(failed("a"), ValuePredicate("a", "equals", 9))),
            Task("tidy", set_values(tidy=1), ("alarm", "quiet"), AllOf()),
            Task("sure", set_values(sure=1), ("a",), AllOf((succeeded("a"), ValuePredicate("a", "exists")))),
            Task("cut1", set_values(cut=1), ("a",)),
            Task("cut2", set_values(cut=2), ("cut1",)),
            Task("rescue", set_values(rescue=1), ("cut2",), skipped("cut2")),
        ],
    )


def _retries() -> Program:
    return tasks(
        "retries",
        [
            Task("slow", flaky(2, a=1), retry=Retry(5, 7.0)),
            Task("quick", flaky(1, b=2), retry=Retry(2)),
            Task("spent", raise_error, retry=Retry(3, 1.0)),
            Task("ignored", raise_error, on_error="ignore"),
            Task("join", set_values(c=3), ("slow", "quick")),
            Task("lost", set_values(d=4), ("spent",)),
        ],
    )


def _deferred() -> Program:
    return tasks(
        "deferred",
        [Task("poll", poll_until_ready), Task("x", set_values(x=1)), Task("y", set_values(y=1), ("poll", "x"))],
    )


# -- steps


def _sequence(limit: int, join: str | None) -> Program:
    return steps(
        "sequence",
        [
            Step("read", lambda v, c: len(v["given"])),
            Choice("big", lambda v: bool(v["out"]["read"] > limit), "bulk", "single", join),
            Step("bulk", lambda v, c: "bulk"),
            Step("bulk2", lambda v, c: "bulk2"),
            Step("single", lambda v, c: "single"),
            Step("meet", lambda v, c: sorted(v["out"])),
            Wait("nap", 30.0),
            Choice("maybe", lambda v: False, "extra"),
            Step("extra", lambda v, c: "extra"),
            Step("jump", lambda v, c: Jump("jumped", "last")),
            Step("never", lambda v, c: 1 / 0),
            Step("last", lambda v, c: len(v["out"])),
        ],
    )


def _broken_step(**kw: Any) -> Program:
    def sometimes(view: Any, call: NodeCall) -> int:
        if call.attempt < 3:
            raise OSError("not yet")
        return call.attempt

    return steps(
        "broken",
        [Step("one", lambda v, c: 1), Step("two", sometimes, **kw), Step("three", lambda v, c: sorted(v["out"]))],
    )


def _batch(**kw: Any) -> Program:
    """A step with children in the middle of jumps, behind a sleep whose length a body has decided."""

    def doze(view: Any, call: NodeCall) -> Any:
        return "rested" if call.now >= 9_000_000 else Defer(9.0)

    return steps(
        "batch",
        [
            Step("early", lambda v, c: "early"),
            Step("list", lambda v, c: list(range(v["given"]))),
            Step("doze", doze),
            Choice("many", lambda v: bool(v["given"] > 2), "map", "one", "tell"),
            Map(
                "map",
                FanOutFunctions(
                    lambda v: [{"n": n} for n in v["out"]["list"]], double_input, gather_results, max_concurrency=2
                ),
            ),
            Step("more", lambda v, c: Jump(sum(v["out"]["map"]), "tell")),
            Step("one", lambda v, c: "one"),
            Step("two", lambda v, c: "two"),
            Step("tell", lambda v, c: sorted(v["out"])),
            Step("stop", lambda v, c: Jump("over", "")),
            Step("never", lambda v, c: 1 / 0),
        ],
        **kw,
    )


# -- graphs


def double_input(inputs: Any, start_count: int) -> Any:
    """A child's whole work."""
    return 2 * inputs["n"]


def fail_if_odd(inputs: Any, start_count: int) -> Any:
    if inputs["n"] % 2:
        raise ValueError(f"{inputs['n']} is odd")
    return inputs["n"]


def results_or_errors(child_results: Any) -> list[Any]:
    """What became of each, failures too."""
    return [None if o is None else o.values["result"] if o.status == "completed" else o.error for o in child_results]


def _fan_out(count: int, children: FanOutFunctions | None = None, **kw: Any) -> Program:
    """A fan between two functions, with another one beside it."""
    children = children or FanOutFunctions(
        lambda n: [{"n": n + k} for k in range(count)], double_input, gather_results, max_concurrency=2
    )
    return graph(
        "spread",
        [
            Fn("start", lambda x: x + 1, ("x",), ("n",)),
            FanOutNode("fan", children, ("n",), "all", **kw),
            FanOutNode("aside", FanOutFunctions(lambda x: [{"n": x}], double_input, gather_results), ("x",), "one"),
            Fn("end", lambda all, one: [*all, *one], ("all", "one"), ("z",)),
        ],
    )


def _fan_out_in_loop() -> Program:
    """Other children in each superstep, beside a node that takes its own time."""
    return graph(
        "turns",
        [
            Fn("head", lambda n: n + 1, ("n",), ("m",)),
            FanOutNode(
                "fan",
                FanOutFunctions(lambda m: [{"n": m + k} for k in range(m % 3)], double_input, gather_results),
                ("m",),
                "all",
            ),
            Fn("beside", lambda m: -m, ("m",), ("b",)),
            Fn("join", lambda all, b: 1 + sum(all) % 3 - b, ("all", "b"), ("n",)),
            Gate("again", lambda n: "head" if n < 12 else END, ("head", END), ("n",)),
            Fn("after", lambda n, all: [n, all], ("n", "all"), ("z",)),
        ],
        entry=["head"],
    )


def _interrupted() -> Program:
    """Two that ask, at the same time; one that knows the answer by itself."""
    return graph(
        "interrupted",
        [
            Fn("draft", lambda topic: f"about {topic}", ("topic",), ("text",)),
            Interrupt("legal", "ok1", lambda text: Question(["legal", text]), ("text",)),
            Interrupt("brand", "ok2", lambda text: Question(["brand", text]), ("text",)),
            Interrupt("known", "ok3", lambda text: f"known: {text}", ("text",)),
            Fn("merge", lambda *seen: list(seen), ("text", "ok1", "ok2", "ok3"), ("url",)),
        ],
    )


def _interview() -> Program:
    return graph(
        "interview",
        [
            Interrupt("person", "reply", lambda said: Question(len(said)), ("said",)),
            Gate("bye", lambda reply: END if reply == "bye" else "chat", ("chat", END), ("reply",)),
            Fn("chat", lambda reply, said: [*said, reply], ("reply", "said"), ("said",)),
        ],
        entry=["person"],
    )


def _refine() -> Program:
    return graph(
        "refine",
        [
            Fn("draft", lambda topic, note: [topic, note], ("topic", "note"), ("text",)),
            Fn("score", lambda text: len(str(text)), ("text",), ("points",)),
            Gate("judge", lambda points: "improve" if points < 60 else END, ("improve", END), ("points",)),
            Fn("improve", lambda text: ["more", text], ("text",), ("note",)),
            Fn("publish", lambda text: {"final": text}, ("text",), ("url",)),
        ],
        entry=["draft"],
    )


def _forked_loop() -> Program:
    """Branches of unequal depth in one loop: without a barrier their join sees every mixture."""
    return graph(
        "forked",
        [
            Fn("head", lambda x, back: [x, back], ("x", "back"), ("h",)),
            Fn("short", lambda h: ["s", h], ("h",), ("s",)),
            Fn("long1", lambda h: ["l", h], ("h",), ("l1",)),
            Fn("long2", lambda l1: ["L", l1], ("l1",), ("l2",)),
            Fn("meet", lambda s, l2: [s[0], l2], ("s", "l2"), ("back",)),
            Gate("again", lambda back: "head" if str(back).count("L") < 4 else END, ("head", END), ("back",)),
            Fn("after", lambda back, s: [back, s], ("back", "s"), ("out",)),
        ],
        entry=["head"],
    )


def _rivals() -> Program:
    """Two writers of one name in one superstep."""
    return graph(
        "rivals",
        [
            Fn("head", lambda back: back + 1, ("back",), ("h",)),
            Fn("red", lambda h: 2 * h, ("h",), ("v",)),
            Fn("blue", lambda h: 3 * h, ("h",), ("v",)),
            Fn("meet", lambda v: v, ("v",), ("back",)),
            Gate("again", lambda back: "head" if back < 30 else END, ("head", END), ("back",)),
        ],
        entry=["head"],
    )


def _two_gates() -> Program:
    """One of them still thinks when the other has opened their common target."""
    return graph(
        "two gates",
        [
            Fn("step", lambda n: n + 1, ("n",), ("n",)),
            Fn("half", lambda n: n / 2, ("n",), ("m",)),
            Gate("quick", lambda n: "step" if n < 2 else END, ("step", END), ("n",)),
            Gate("late", lambda m: "step" if m < 1 else END, ("step", END), ("m",)),
        ],
        entry=["step"],
    )


def _many_targets() -> Program:
    return graph(
        "many",
        [
            Gate("pick", lambda n: ["even", "inner"] if n % 2 == 0 else ["odd"], ("even", "odd", "inner"), ("n",)),
            Gate("inner", lambda n: "deep" if n > 2 else END, ("deep", END), ("n",)),
            Fn("even", lambda n: n // 2, ("n",), ("e",)),
            Fn("odd", lambda n: 3 * n + 1, ("n",), ("o",)),
            Fn("deep", lambda n: -n, ("n",), ("d",)),
            Fn("tell", lambda e, o, d: [e, o, d], ("e", "o", "d"), ("t",), {"e": None, "o": None, "d": None}),
        ],
    )


def _review() -> Program:
    return graph(
        "review",
        [
            Fn("draft", lambda topic: f"about {topic}", ("topic",), ("text",)),
            Ask("legal", "ok1", ("text",)),
            Ask("brand", "ok2", ("text",)),
            Fn("merge", lambda text, ok1, ok2: [text, ok1, ok2], ("text", "ok1", "ok2"), ("url",)),
        ],
    )


def _talk() -> Program:
    return graph(
        "talk",
        [
            Ask("person", "reply", ("said",)),
            Gate("bye", lambda reply: END if reply == "bye" else "chat", ("chat", END), ("reply",)),
            Fn("chat", lambda reply, said: [*said, reply], ("reply", "said"), ("said",)),
        ],
        entry=["person"],
    )


def _retry_in_loop() -> Program:
    program = _refine()
    score = program.compiled_plan.node_index["score"]

    def shaky(call: NodeCall) -> Any:
        if call.attempt < 3:
            raise ConnectionError("again")
        body = program.functions[score]
        assert body is not None
        return body(call)

    bodies = tuple(shaky if i == score else b for i, b in enumerate(program.functions))
    return Program(program.plan, bodies, program.view, program.outputs, retries={"score": Retry(5, 1.0)})


_TOPIC = {"topic": "t", "note": "n"}

CASES: dict[str, Case] = {
    "tasks: diamond": Case(_diamond(), {"given": {"seed": 1}}),
    "tasks: peers": Case(_peers(), {"given": {}}),
    "tasks: rules, low": Case(_rules(set_values(a=1)), {"given": {}}),
    "tasks: rules, high": Case(_rules(set_values(a=9)), {"given": {}}),
    "tasks: rules, failed": Case(_rules(raise_error), {"given": {}}),
    "tasks: retries": Case(_retries(), {"given": {}}),
    "tasks: deferred": Case(_deferred(), {"given": {}}),
    "steps: then": Case(_sequence(2, "meet"), {"given": [1, 2, 3]}),
    "steps: otherwise": Case(_sequence(5, "meet"), {"given": [1, 2, 3]}),
    "steps: fall through": Case(_sequence(2, None), {"given": [1, 2, 3]}),
    "steps: stop": Case(_broken_step(), {"given": []}),
    "steps: continue": Case(_broken_step(on_error="ignore"), {"given": []}),
    "steps: retry": Case(_broken_step(retry=Retry(4, 2.0)), {"given": []}),
    "steps: map": Case(_batch(), {"given": 3}),
    "steps: no map": Case(_batch(), {"given": 2}),
    "steps: from the middle": Case(_batch(start="doze"), {"given": 2}),
    "graphs: fan": Case(_fan_out(5), {"x": 1}),
    "graphs: fan with nobody": Case(_fan_out(0), {"x": 1}),
    "graphs: fan that tells failures": Case(
        _fan_out(
            5,
            FanOutFunctions(
                lambda n: [{"n": n + k} for k in range(5)], fail_if_odd, results_or_errors, fail_fast=False
            ),
        ),
        {"x": 1},
    ),
    "graphs: fan that fails": Case(
        _fan_out(
            4,
            FanOutFunctions(lambda n: [{"n": n + k} for k in range(4)], fail_if_odd, gather_results, max_concurrency=3),
            retry=Retry(2, 3.0),
            on_error="fail",
        ),
        {"x": 1},
    ),
    "graphs: fans in a loop": Case(_fan_out_in_loop(), {"n": 0}),
    "graphs: interrupts": Case(_interrupted(), {"topic": "t"}, {"legal": ["ann"], "brand": ["bob"]}),
    "graphs: interrupts in a loop": Case(_interview(), {"said": []}, {"person": ["hi", "hm", "bye"]}),
    "graphs: loop": Case(_refine(), _TOPIC),
    "graphs: forked loop": Case(_forked_loop(), {"x": 1, "back": 0}),
    "graphs: rivals in a loop": Case(_rivals(), {"back": 0}),
    "graphs: gate and target at once": Case(_two_gates(), {"n": 0}),
    "graphs: retries in a loop": Case(_retry_in_loop(), _TOPIC),
    "graphs: many targets, even": Case(_many_targets(), {"n": 4}),
    "graphs: many targets, odd": Case(_many_targets(), {"n": 5}),
    "graphs: two questions": Case(_review(), {"topic": "t"}, {"legal": ["ann"], "brand": ["bob"]}),
    "graphs: questions in a loop": Case(_talk(), {"said": []}, {"person": ["hi", "hm", "bye"]}),
}
