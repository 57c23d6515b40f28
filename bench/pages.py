"""Pages of the web UI in a headless browser: first paint, weight, and the time from a commit to the browser.

    python bench/pages.py [--rounds 15] [--nodes 10000]

Starts a worker and `holdwater ui` on a new SQLite file.  First contentful paint is that of a new browser session with
an empty cache, beside a line of text and beside the same page saved as files, both from a server of static files
(what is above 1 of the latter is the time of our server); weight is what the session transferred, headers included.
The time from a commit to the browser is measured by the clock of this machine, from the instant that the journal gives
for the end of a task to the arrival of its event in the page, and to the change of its row.  Medians and 95th
percentiles.
Needs Playwright and a `chromium`.
"""

from __future__ import annotations

import argparse
import functools
import http.server
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, sync_playwright

import holdwater.server
from holdwater.client import Client
from holdwater.operations.databases import open_for_reading

FLOWS = """
import time
from holdwater import Context, WorkflowBuilder, task

def body(context: Context) -> None:
    time.sleep(context.get("seconds", 0.0))

def chain(name, count):
    with WorkflowBuilder(name):
        for k in range(count):
            task(id=f"t{k:05d}", dependencies=[f"t{k - 1:05d}"] if k else [])(body)

def fan(name, count):
    with WorkflowBuilder(name):
        task(id="first")(body)
        for k in range(count):
            task(id=f"m{k:05d}", dependencies=["first"])(body)
        task(id="last", dependencies=[f"m{k:05d}" for k in range(count)])(body)

chain("chain", 40)
fan("small", 10)
fan("large", LARGE)
"""

STATIC_DIRECTORY = Path(holdwater.server.__file__).parent / "static"
STATIC_PAGE = (
    """<!doctype html><html lang="en"><title>static</title><link rel="icon" href="data:,"><p>Some text</p></html>"""
)

WATCH = """
window.arrivals = {};
window.changes = {};
const Source = window.EventSource;
window.EventSource = class extends Source {
  constructor(...given) {
    super(...given);
    this.addEventListener('task_completed', (event) => {
      const data = JSON.parse(event.data);
      window.arrivals[data.task_name ?? data.node ?? data.task] ??= Date.now();
    });
  }
};
new MutationObserver(() => {
  for (const row of document.querySelectorAll('[data-node]')) {
    if (row.querySelector('.state.completed, .completed')) window.changes[row.dataset.node] ??= Date.now();
  }
}).observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
"""


@contextmanager
def started(arguments: Sequence[str], directory: Path, ready: str) -> Iterator[str]:
    """Run a command of Holdwater; gives the line of its output in which `ready` is."""
    command = [sys.executable, "-m", "holdwater", *arguments]
    with subprocess.Popen(
        command, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        said = []
        while ready not in (line := process.stdout.readline()):
            said.append(line)
            if not line:
                raise SystemExit("".join(said))
        threading.Thread(target=process.stdout.read, daemon=True).start()  # so that it never waits for its reader
        yield line
        process.terminate()


@contextmanager
def static_files(directory: Path) -> Iterator[str]:
    """Serve a directory; gives the URL of it."""
    directory.mkdir()
    (directory / "line.html").write_text(STATIC_PAGE)
    handler = functools.partial(_QuietHandler, directory=str(directory))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class _QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


def measure_page(browser: Browser, url: str, state: Any, rounds: int) -> tuple[list[float], int]:
    """First contentful paints in milliseconds, and bytes transferred."""
    paints, weight = [], 0
    for _ in range(rounds):
        context = browser.new_context(storage_state=state)
        page = context.new_page()
        page.goto(url, wait_until="load")
        page.wait_for_function("() => performance.getEntriesByName('first-contentful-paint').length > 0")
        paints.append(page.evaluate("() => performance.getEntriesByName('first-contentful-paint')[0].startTime"))
        weight = page.evaluate(
            "() => [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]"
            ".reduce((sum, entry) => sum + entry.transferSize, 0)"
        )
        context.close()
    return paints, weight


def save(session: BrowserContext, address: str, file: Path) -> None:
    """Write a page without what keeps it live, so that nothing but its files is fetched."""
    text = session.request.get(address).text()
    for path in set(re.findall(r"/(static/[\w.-]+)/", text)):  # the fingerprint of the static files
        shutil.copytree(STATIC_DIRECTORY, file.parent / path, dirs_exist_ok=True)
    file.write_text(re.sub(r'data-stream="[^"]*"', "", text))


def percentiles(values: Sequence[float]) -> str:
    ordered = sorted(values)
    return f"p50 {statistics.median(ordered):.0f} ms, p95 {ordered[max(0, round(len(ordered) * 0.95) - 1)]:.0f} ms"


def commit_to_browser(browser: Browser, base: str, state: Any, url: str, client: Client) -> None:
    context = browser.new_context(storage_state=state)
    context.add_init_script(WATCH)
    page = context.new_page()
    run = client.submit("chain", {"seconds": 0.3})
    page.goto(f"{base}/ui/public/runs/{run.run_id}?tab=tasks")
    page.locator("[data-node='t00039'] .completed").first.wait_for(timeout=120_000)
    arrivals, changes = page.evaluate("() => [window.arrivals, window.changes]")
    with open_for_reading(url) as database:
        view = database.runs.view(run.run_id)
        committed = {node.name: entry.recorded_at / 1000 for node, entry in _ends(view)}
    loaded = page.evaluate("() => performance.timeOrigin") + 1500
    names = [name for name, at in committed.items() if at > loaded]
    print(
        f"commit to event, {len(names)} tasks:",
        percentiles([arrivals[n] - committed[n] for n in names if n in arrivals]),
    )
    print(
        f"commit to row, {len(names)} tasks:  ", percentiles([changes[n] - committed[n] for n in names if n in changes])
    )
    context.close()


def _ends(view: Any) -> Iterator[tuple[Any, Any]]:
    for node in view.nodes:
        for attempt in node.attempts:
            yield node, view.journal[attempt.entry - 1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--nodes", type=int, default=10_000)
    given = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        directory, url = Path(name), f"sqlite:///{name}/runs.db"
        (directory / "flows.py").write_text(FLOWS.replace("LARGE", str(given.nodes - 2)))
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        worker = ("worker", "flows.py", "--database", url)
        with started(worker, directory, "ready"), Client(url) as client:
            small, large = client.submit("small", {}), client.submit("large", {})
            small.result(120)
            large.result(600)
            with (
                started(("ui", "--database", url, "--port", "0"), directory, "http://") as line,
                static_files(directory / "files") as files,
            ):
                link = next(word for word in line.split() if word.startswith("http://"))
                base = "/".join(link.split("/")[:3])
                session = browser.new_context()
                session.new_page().goto(link)
                state = session.storage_state()
                pages = {
                    "runs": f"{base}/ui/public/runs",
                    "a run of 12 tasks": f"{base}/ui/public/runs/{small.run_id}",
                    f"a run of {given.nodes:,} tasks": f"{base}/ui/public/runs/{large.run_id}",
                    "its tasks": f"{base}/ui/public/runs/{large.run_id}?tab=tasks",
                    "its timeline": f"{base}/ui/public/runs/{large.run_id}?tab=timeline",
                }
                line_ms, _ = measure_page(browser, f"{files}/line.html", state, given.rounds)
                print(f"first paint of a line of text: {percentiles(line_ms)}")
                for title, address in pages.items():
                    save(session, address, directory / "files" / "page.html")
                    file_ms, _ = measure_page(browser, f"{files}/page.html", state, given.rounds)
                    paints_ms, weight = measure_page(browser, address, state, given.rounds)
                    by_line, by_files = (
                        statistics.median(paints_ms) / statistics.median(of) for of in (line_ms, file_ms)
                    )
                    print(f"first paint of {title}: {percentiles(paints_ms)}; {by_line:.1f} x the line,", end=" ")
                    print(f"{by_files:.2f} x the page as files; {weight / 1000:.1f} kB")
                commit_to_browser(browser, base, state, url, client)
        browser.close()
    print(json.dumps({"rounds": given.rounds}))


if __name__ == "__main__":
    main()
