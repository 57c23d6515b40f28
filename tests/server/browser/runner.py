"""A runner in a process of its own: `python -m tests.server.browser.runner URL`.

Prints "ready"; then each line of its input, a JSON object with `workflow` and `inputs`, starts a run, whose id is
printed, as `run ID`.  Executes until it is killed, or until the end of its input.
"""

from __future__ import annotations

import json
import sys

from holdwater import DefaultRunner
from holdwater.model.registry import registry
from tests.server.browser import workflows


def main() -> None:
    for definition in (workflows.articles, workflows.imports):
        registry.register(definition.program())
    with DefaultRunner(sys.argv[1]) as runner:
        print("ready", flush=True)
        for line in sys.stdin:
            asked = json.loads(line)
            handle = runner.submit(asked["workflow"], asked["inputs"], idempotency_key=asked.get("key"))
            sys.stdout.write(f"\nrun {handle.run_id}\n")  # one call: functions of runs print, too
            sys.stdout.flush()


if __name__ == "__main__":
    main()
