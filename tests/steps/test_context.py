"""The context: read-only, exact, and cheap."""

from __future__ import annotations

import copy
import datetime as dt
import pickle
from decimal import Decimal
from typing import Any

import pytest

from holdwater.errors import EncodingError, ReadOnlyContext
from holdwater.model.values import StoredValue
from holdwater.steps import QualityMetrics, Step, StepResult, WorkflowContext
from tests.steps.driver import KernelRun, make_definition, run_steps


def test_a_context_out_of_nothing() -> None:
    context = WorkflowContext()
    assert len(context.run_id) == 36
    assert context.execution_id == context.run_id
    assert context.started_at.tzinfo is not None
    assert not any([context.params, context.outputs, context.partition, context.metadata])


def test_with_methods_make_new_ones() -> None:
    first = WorkflowContext.create("w", {"x": 1}, {"day": "mon"}, batch_id="b", run_id="r")
    second = first.with_params({"y": 2}).with_output("a", {"n": 1}).with_quality("a", QualityMetrics(3, 3))
    third = second.with_output("a", {"m": 2}).with_metadata({"k": "v"})
    assert first.params == {"x": 1}
    assert not first.has_output("a")
    assert second.params == {"x": 1, "y": 2}
    assert second.get_output("a") == {"n": 1}
    assert third.get_output("a") == {"m": 2}
    assert third.get_quality("a") == QualityMetrics(3, 3)
    assert third.metadata == {"k": "v"}
    assert (third.run_id, third.batch_id) == ("r", "b")
    assert third.partition == {"day": "mon"}


@pytest.mark.parametrize(
    ("change", "instead"),
    [
        (lambda c: setattr(c, "run_id", "x"), "create"),
        (lambda c: setattr(c, "params", {}), "with_params"),
        (lambda c: setattr(c, "anything", 1), "create"),
        (lambda c: delattr(c, "run_id"), "create"),
        (lambda c: c.params.__setitem__("x", 1), "with_params"),
        (lambda c: c.params.__delitem__("x"), "with_params"),
        (lambda c: c.outputs.__setitem__("a", {}), "with_output"),
        (lambda c: c.quality_metrics.__setitem__("a", {}), "with_quality"),
        (lambda c: c.metadata.__setitem__("a", {}), "with_metadata"),
        (lambda c: c.partition.__setitem__("a", {}), "partition="),
    ],
)
def test_nothing_of_it_can_be_set(change: Any, instead: str) -> None:
    with pytest.raises(ReadOnlyContext, match=instead) as caught:
        change(WorkflowContext.create("w", {"x": 1}))
    assert isinstance(caught.value, (TypeError, AttributeError))


def test_what_is_changed_in_place_is_seen_by_nobody() -> None:
    rows = [1]
    context = WorkflowContext.create("w", {"rows": rows})
    rows.append(2)
    assert context.params["rows"] == [1]
    later = context.with_output("a", {"n": [1]})
    context.params["rows"].append(3)
    later.get_output("a")["n"].append(3)
    assert later.params["rows"] == [1]
    assert later.with_params({"x": 1}).get_output("a") == {"n": [1]}


def test_handlers_do_not_see_each_others_changes() -> None:
    def spoil(ctx: WorkflowContext, config: dict[str, Any]) -> None:
        ctx.params["rows"].append(9)
        ctx.outputs["a"]["rows"].append(9)
        ctx.partition["days"].append(9)

    from holdwater.steps import StepsInput

    given = {"rows": [1]}
    put = Step.lambda_("a", lambda ctx, config: {"rows": [1]})
    done = run_steps(put, Step.lambda_("b", spoil), params=StepsInput(given, {"days": [1]}))
    assert given == {"rows": [1]}
    assert done.context.params == {"rows": [1]}
    assert done.context.get_output("a") == {"rows": [1]}
    assert done.context.partition == {"days": [1]}


def test_reading() -> None:
    context = WorkflowContext(outputs={"a": {"n": 1, "none": None}, "empty": {}}, params={"x": 1})
    assert context.get_param("x") == 1
    assert context.get_param("y", 2) == 2
    assert context.get_output("a", "n") == 1
    assert context.get_output("a", "none", 3) is None
    assert context.get_output("a", "m", 3) == 3
    assert context.get_output("missing") is None
    assert context.get_output("missing", "n", 4) == 4
    assert context.get_output("empty", default={"d": 1}) == {"d": 1}
    assert context.has_output("empty")
    assert {**context.params} == {"x": 1}
    assert context.params | {"y": 2} == {"x": 1, "y": 2}
    assert {"y": 2} | context.params == {"x": 1, "y": 2}
    assert context.params.copy() == {"x": 1}
    assert "x" in repr(context)


def test_a_default_in_the_place_of_the_key() -> None:
    with pytest.raises(TypeError, match="default comes last"):
        WorkflowContext().get_output("a", {})  # type: ignore[arg-type]


def test_there_and_back() -> None:
    context = (
        WorkflowContext.create("w", {"at": dt.datetime(2026, 1, 1, tzinfo=dt.UTC), "d": Decimal("1.10")}, {"p": 1}, "b")
        .with_output("a", {"set": {1, 2}})
        .with_quality("a", QualityMetrics(4, 2, null_rate=0.5))
        .with_metadata({"k": (1, 2)})
    )
    for back in (
        WorkflowContext.from_dict(context.to_dict()),
        WorkflowContext.from_json(context.to_json()),
        pickle.loads(pickle.dumps(context)),
        copy.deepcopy(context),
    ):
        assert back == context
        assert back.batch_id == "b"
        assert back.get_quality("a") == context.get_quality("a")
    assert set(context.to_dict()) == {
        "run_id", "workflow_name", "params", "outputs", "partition", "execution", "started_at", "metadata",
        "quality_metrics",
    }  # fmt: skip


def test_dry_runs_are_marked() -> None:
    assert WorkflowContext.create("w", dry_run=True).is_dry_run
    assert WorkflowContext.create("w", dry_run=True).params == {"__dry_run__": True}
    assert not WorkflowContext.create("w").is_dry_run


@pytest.mark.parametrize(
    ("make", "where"),
    [
        (lambda: WorkflowContext.create("w", {"a": {"b": [object()]}}), r"params\['a'\].*b\[0\]"),
        (lambda: WorkflowContext().with_output("load", {"f": open}), "output of step 'load'"),
        (lambda: WorkflowContext.create("w", {1: 2}), "keys are strings"),  # type: ignore[dict-item]
    ],
)
def test_what_cannot_be_stored_is_named(make: Any, where: str) -> None:
    with pytest.raises(EncodingError, match=where):
        make()


class Counter:
    """How many values are copied out, and how many are encoded."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.copied = self.encoded = 0
        copied, encoded = StoredValue.copy, StoredValue.encode.__func__  # type: ignore[attr-defined]

        def count_copy(stored: StoredValue) -> Any:
            self.copied += 1
            return copied(stored)

        def count_encoding(cls: type[StoredValue], value: Any) -> StoredValue:
            self.encoded += 1
            made: StoredValue = encoded(cls, value)
            return made

        monkeypatch.setattr(StoredValue, "copy", count_copy)
        monkeypatch.setattr(StoredValue, "encode", classmethod(count_encoding))


def test_a_context_costs_what_is_put_into_it(monkeypatch: pytest.MonkeyPatch) -> None:
    count = Counter(monkeypatch)
    context = WorkflowContext.create("w")
    for i in range(200):
        context = context.with_output(f"s{i}", {"rows": list(range(1000))})
    assert (count.encoded, count.copied) == (200, 0)
    assert context.get_output("s7", "rows")[5] == context.get_output("s7", "rows")[5] == 5
    assert count.copied == 1


def test_a_step_costs_what_it_puts_out_and_looks_at(monkeypatch: pytest.MonkeyPatch) -> None:
    def handler(ctx: WorkflowContext, config: dict[str, Any]) -> StepResult:
        return StepResult.ok({"rows": list(range(1000))}, {"n": ctx.get_param("n", 0) + 1})

    p = make_definition(*[Step.lambda_(f"s{i}", handler) for i in range(200)])
    one = KernelRun(p)
    count = Counter(monkeypatch)
    one.run_to_end()
    assert one.context.params == {"n": 200}
    assert count.encoded == 2 * 200
    assert count.copied <= 200


def test_ten_thousand_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    p = make_definition(
        *[Step.lambda_(f"s{i}", lambda ctx, config: {"i": ctx.has_output("s0")}) for i in range(10_000)]
    )
    one = KernelRun(p)
    count = Counter(monkeypatch)
    one.run_to_end()
    assert one.status == "completed"
    assert (count.encoded, count.copied) == (10_000, 0)
    assert one.context.get_output("s9999") == {"i": True}
