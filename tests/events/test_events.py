from __future__ import annotations

import random
import re
from dataclasses import fields

import pytest

from holdwater import events
from holdwater.events import BaseEvent, InterruptEvent, NodeStartEvent, RouteDecisionEvent

SEED_FIELDS = {  # seed 003, "Event Types"
    "RunStartEvent": "session_id inputs",
    "NodeStartEvent": "node_name inputs",
    "NodeEndEvent": "node_name outputs duration_ms cached",
    "StreamingChunkEvent": "node_name chunk chunk_index",
    "CacheHitEvent": "node_name",
    "RouteDecisionEvent": "gate_name decision",
    "NodeErrorEvent": "node_name error error_type",
    "InterruptEvent": "workflow_id interrupt_name value response_param",
    "RunEndEvent": "outputs duration_ms iterations",
}


@pytest.mark.parametrize(("name", "own"), SEED_FIELDS.items())
def test_an_event_has_the_promised_fields(name: str, own: str) -> None:
    kind = getattr(events, name)
    assert issubclass(kind, BaseEvent)
    assert {f.name for f in fields(kind)} >= {"run_id", "span_id", "parent_span_id", "timestamp", *own.split()}


def test_a_span_id_is_16_hex_digits_whatever_seed_the_user_sets() -> None:
    random.seed(1)
    one = NodeStartEvent(run_id="r", node_name="n")
    random.seed(1)
    other = NodeStartEvent(run_id="r", node_name="n")
    assert re.fullmatch("[0-9a-f]{16}", one.span_id)
    assert one.span_id != other.span_id


def test_the_node_of_gates_and_interrupts_is_also_called_node_name() -> None:
    assert RouteDecisionEvent(run_id="r", gate_name="g", decision="END").node_name == "g"
    assert InterruptEvent(run_id="r", interrupt_name="ask", response_param="answer").node_name == "ask"


def test_events_of_one_run_share_a_scope() -> None:
    outer = NodeStartEvent(run_id="r", node_name="n")
    inner = NodeStartEvent(run_id="r", node_name="n", parent_span_id=outer.span_id)
    assert outer.scope == NodeStartEvent(run_id="r", node_name="other").scope
    assert inner.scope != outer.scope
    assert NodeStartEvent(run_id="r", node_name="n", item_index=0).scope != outer.scope


def test_an_event_has_no_attributes_but_its_fields() -> None:
    with pytest.raises(AttributeError):
        NodeStartEvent(run_id="r", node_name="n").nodename = "x"  # type: ignore[attr-defined]
