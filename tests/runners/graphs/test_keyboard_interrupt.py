"""Ctrl-C in a program that waits for a run: a real SIGINT, in a process of its own, while its main thread waits."""

from __future__ import annotations

import subprocess
import sys

import pytest

BEGIN = """
import asyncio, os, signal, sys, threading
from holdwater import *
from holdwater.checkpointers import MemoryCheckpointer
from holdwater.graphs import *
from holdwater.steps import Step, Workflow, StepResult

calls, inside, pause, left = [], [], threading.Event(), threading.Event()

def press():
    os.kill(os.getpid(), signal.SIGINT)

def first_time(name):
    calls.append(name)
    return calls.count(name) == 1

def until(condition):
    while not condition():
        pause.wait(0.002)

def interrupted(call):
    try:
        call()
    except KeyboardInterrupt:
        left.set()
        return
    raise SystemExit("no KeyboardInterrupt")

def check(condition, what=""):
    if not condition:
        raise SystemExit(f"{what} {calls} {inside}")
"""

END = """
print("fine")
"""

GRAPH = """
@node(output_name="y")
def one(x):
    if first_time("one"):
        inside.append(1)
        try:
            press()
            STOPPED
        finally:
            inside.pop()
    return x

@node(output_name="z")
def two(y):
    calls.append("two")
    return y

graph = Graph([one, two], name="g")
"""

COROUTINE = """
@node(output_name="y")
async def one(x):
    if first_time("one"):
        inside.append(1)
        try:
            press()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            inside.pop()
    return x

@node(output_name="z")
def two(y):
    calls.append("two")
    return y

graph = Graph([one, two], name="g")
"""

ENDLESS = """
@node(output_name="y")
def one(x):
    first = first_time("one")
    inside.append(1)
    try:
        if first:
            press()
        while first:
            pause.wait(0.001)
            yield 1
        yield x
    finally:
        inside.pop()

@node(output_name="z")
def two(y):
    calls.append("two")
    return y

graph = Graph([one, two], name="g")
"""

ENDED = 'check(not inside and calls == ["one"], "left:")'
AGAIN = 'check(calls == ["one", "one", "two"], "again:")'
CONTINUED = 'check(calls == ["one", "two"], "again:")'
PAUSED = 'until(lambda: cp.get_workflow("w").status == "paused")'
STOPPED = 'until(lambda: runner.get_run("r").status == "stopped")'

RECORDED = """
cp = MemoryCheckpointer()
runner = SyncRunner(checkpointer=cp)
interrupted(lambda: runner.run(graph, {"x": 1}, workflow_id="w"))
"""
RECORDED_AGAIN = """
check(cp.get_workflow("w").status == "paused", "status:")
check(runner.run(graph, {}, workflow_id="w")["z"] in (1, [1]), "result:")
"""

STEPS = """
def one(context, config):
    if first_time("one"):
        inside.append(1)
        press()
        WAIT
        inside.pop()
    return StepResult.ok({})

def two(context, config):
    calls.append("two")
    return StepResult.ok({})

workflow = Workflow("w", [Step.lambda_("one", one), Step.lambda_("two", two)])
runner = WorkflowRunner()
"""

MAPPED = """
def one(context, config):
    if first_time("one"):
        inside.append(1)
        press()
        WAIT
        inside.pop()
    return StepResult.ok({})

def two(context, config):
    calls.append("two")
    return StepResult.ok({})

inner = Workflow("inner", [Step.lambda_("one", one), Step.lambda_("two", two)])
workflow = Workflow("w", [Step.map("each", items_path="items", iterator_workflow=inner, max_concurrency=1)])
runner = WorkflowRunner()
"""

PROGRAMS = {
    "sync in memory": [
        GRAPH.replace("STOPPED", "pause.wait(30)"),
        'interrupted(lambda: SyncRunner().run(graph, {"x": 1}))',
        ENDED,
    ],
    "sync map": [
        GRAPH.replace("STOPPED", "pause.wait(30)"),
        'interrupted(lambda: SyncRunner().map(graph, {"x": [1, 2, 3]}, map_over="x", error_handling="continue"))',
        ENDED,
    ],
    "sync recorded": [GRAPH.replace("STOPPED", PAUSED), RECORDED, ENDED, RECORDED_AGAIN, CONTINUED],
    "sync recorded, an endless generator": [ENDLESS, RECORDED, ENDED, RECORDED_AGAIN, AGAIN],
    "sync recorded, nested": [
        GRAPH.replace("STOPPED", PAUSED),
        'graph = Graph([graph.as_node(name="inner").map_over("x")], name="outer")',
        RECORDED.replace('{"x": 1}', '{"x": [1]}'),
        ENDED,
        RECORDED_AGAIN,
        CONTINUED,
    ],
    "an asynchronous runner nested in a blocking one": [
        COROUTINE,
        'outer = Graph([graph.as_node(runner=AsyncRunner())], name="outer")',
        'interrupted(lambda: SyncRunner().run(outer, {"x": 1}))',
        ENDED,
    ],
    "the same in a notebook, where a loop runs": [
        COROUTINE,
        'outer = Graph([graph.as_node(runner=AsyncRunner())], name="outer")',
        "async def cell():",
        '    interrupted(lambda: SyncRunner().run(outer, {"x": 1}))',
        "loop = asyncio.new_event_loop()",
        "loop.run_until_complete(cell())",
        "loop.close()",
        ENDED,
    ],
    "asyncio.run in memory": [COROUTINE, 'interrupted(lambda: asyncio.run(AsyncRunner().run(graph, {"x": 1})))', ENDED],
    "asyncio.run of an endless generator": [
        ENDLESS,
        'interrupted(lambda: asyncio.run(AsyncRunner().run(graph, {"x": 1})))',
        ENDED,
    ],
    "asyncio.run recorded": [
        COROUTINE,
        "cp = MemoryCheckpointer()",
        'run = lambda **inputs: asyncio.run(AsyncRunner(checkpointer=cp).run(graph, inputs, workflow_id="w"))',
        "interrupted(lambda: run(x=1))",
        ENDED,
        'check(cp.get_workflow("w").status == "paused", "status:")',
        'check(run()["z"] == 1, "result:")',
        AGAIN,
    ],
    "asyncio.run recorded, in a thread": [
        GRAPH.replace("STOPPED", PAUSED),
        "cp = MemoryCheckpointer()",
        'run = lambda **inputs: asyncio.run(AsyncRunner(checkpointer=cp).run(graph, inputs, workflow_id="w"))',
        "interrupted(lambda: run(x=1))",
        ENDED,
        'check(run()["z"] == 1, "result:")',
        CONTINUED,
    ],
    "steps": [
        STEPS.replace("WAIT", STOPPED),
        'interrupted(lambda: runner.execute(workflow, run_id="r"))',
        ENDED,
        'check(runner.execute(workflow, run_id="r").status == "completed", "result:")',
        CONTINUED,
    ],
    "steps that were resumed": [
        STEPS.replace("WAIT", STOPPED),
        "def fails(context, config):",
        '    return StepResult.ok({}) if left.is_set() or context.get_param("go") else StepResult.fail("not yet")',
        'workflow = Workflow("w", [Step.lambda_("zero", fails), *workflow.steps])',
        'check(runner.execute(workflow, run_id="r").status == "failed", "before:")',
        'interrupted(lambda: runner.resume("r", params_override={"go": True}))',
        ENDED,
        'check(runner.resume("r").status == "completed", "result:")',
        CONTINUED,
    ],
    "steps of a map": [
        MAPPED.replace("WAIT", STOPPED),
        'interrupted(lambda: runner.execute(workflow, run_id="r", params={"items": [1, 2]}))',
        ENDED,
        'check(runner.execute(workflow, run_id="r").status == "completed", "result:")',
        'check(calls == ["one", "two", "one", "two"], "again:")',
    ],
    "a signal handler that raises": [
        STEPS.replace("WAIT", STOPPED),
        "def expire(number, frame): raise TimeoutError",
        "signal.signal(signal.SIGALRM, expire)",
        "press = lambda: os.kill(os.getpid(), signal.SIGALRM)",
        "try:",
        '    runner.execute(workflow, run_id="r")',
        "except TimeoutError:",
        "    left.set()",
        "check(left.is_set())",
        ENDED,
        'check(runner.execute(workflow, run_id="r").status == "completed", "result:")',
        CONTINUED,
    ],
    "a second one leaves at once": [
        STEPS.replace("WAIT", f"{STOPPED}; press(); left.wait(30)"),
        'interrupted(lambda: runner.execute(workflow, run_id="r"))',
        "check(inside == [1])",
        "until(lambda: not inside)",
        'check(runner.execute(workflow, run_id="r").status == "completed", "result:")',
        CONTINUED,
    ],
    "a run of DefaultRunner is independent": [
        'with WorkflowBuilder("flow"):',
        "    @task()",
        "    def one(context):",
        '        first_time("one")',
        "        press()",
        "        left.wait(30)",
        'runner = DefaultRunner("memory://")',
        'interrupted(lambda: runner.execute("flow"))',
        "run_id = runner.list_runs()[0].run_id",
        'check(runner.handle(run_id).result(30).status == "Completed", "result:")',
        'check(calls == ["one"])',
    ],
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_ctrl_c(name: str) -> None:
    program = "\n".join([BEGIN, *PROGRAMS[name], END])
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=100, check=False)
    assert done.stdout == "fine\n", f"{done.stdout}\n{done.stderr}"
    assert done.returncode == 0, done.stderr
