"""A browser, a database, runners and a web UI, all of them real processes.

Tests skip if there is no browser.  They wait by locators of Playwright, never by time; selectors are `data-*`,
and roles.  A page fails its test at the end if its console had an error, or the Content-Security-Policy refused
anything.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

CHROMIUM: Final = (
    os.environ.get("HOLDWATER_TEST_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
)
_RUN_ID: Final = re.compile("run ([0-9a-f-]{36})\n")
ACTION_TIMEOUT_MS: Final = 60_000
"""a busy machine is no failure"""

COLLECT_VIOLATIONS: Final = """
window.cspViolations = [];
document.addEventListener('securitypolicyviolation', (e) => {
  window.cspViolations.push(`${e.violatedDirective}: ${e.blockedURI} ${e.sourceFile}:${e.lineNumber}`);
});
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless browser.  Of a module: the event loop of Playwright must not outlive it in this thread."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("there is no chromium: tests in a browser are left out")
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield opened
        opened.close()


class Runner:
    """A runner in another process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def submit(self, workflow: str, inputs: dict[str, Any] | None = None) -> str:
        """Start a run there; returns its id."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"workflow": workflow, "inputs": inputs or {}}) + "\n")
        self.process.stdin.flush()
        while (found := _RUN_ID.fullmatch(said := self.process.stdout.readline())) is None:
            assert said, "the runner has ended"
        return found[1]

    def kill(self) -> None:
        """Kill it with -9, and wait until it is gone."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class Processes:
    """The processes of a test, in its directory; ended with it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.url = f"sqlite:///{directory}/runs.db"
        self._started: list[subprocess.Popen[str]] = []

    def start(self, *arguments: str, ready: str) -> tuple[subprocess.Popen[str], str]:
        """Start `python ARGUMENTS`, and wait for a line of its output with this text; returns it with that line."""
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=self.directory,
            env={**os.environ, "HOLDWATER_DATABASE": self.url, "PYTHONUNBUFFERED": "1", "PYTHONPATH": os.getcwd()},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._started.append(process)
        said = []
        assert process.stdout is not None
        for line in process.stdout:
            said.append(line)
            if ready in line:
                return process, line
        raise AssertionError(f"{arguments} ended without saying {ready!r}:\n{''.join(said)}")

    def runner(self) -> Runner:
        """Start a runner of the workflows in `tests.server.browser.workflows`."""
        return Runner(self.start("-m", "tests.server.browser.runner", self.url, ready="ready")[0])

    def ui(self, *options: str) -> tuple[subprocess.Popen[str], str]:
        """Start `holdwater ui`; returns it with the URL it prints, which carries its token."""
        process, line = self.start(
            "-m", "holdwater", "ui", "--database", self.url, "--port", "0", *options, ready="http://"
        )
        return process, next(word for word in line.split() if word.startswith("http://"))

    def open_gate(self, name: str) -> None:
        """Let functions that wait for this gate go on."""
        (self.directory / f"{name}.gate").touch()

    def end(self) -> None:
        for process in self._started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if process.stdout is not None:
                process.stdout.close()
            if process.stdin is not None:
                with contextlib.suppress(BrokenPipeError):
                    process.stdin.close()


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    """Starts runners and web UIs on one new SQLite file."""
    started = Processes(tmp_path)
    yield started
    started.end()


OpenPage = Callable[..., "Page"]


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """Open a URL in a new browser session: `open_page(url, width=360, color_scheme="dark", java_script_enabled=False)`.

    Returns the page.  At the end of the test the consoles and policies of all pages must be clean, but for messages
    that a test has removed from `page.console_errors`.
    """
    contexts: list[BrowserContext] = []
    pages: list[Any] = []

    def open_url(url: str, *, width: int = 1440, height: int = 900, **options: Any) -> Page:
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        context.set_default_timeout(ACTION_TIMEOUT_MS)
        context.add_init_script(COLLECT_VIOLATIONS)
        contexts.append(context)

        def watch(page: Any) -> None:
            page.console_errors = []
            page.on("console", lambda said: page.console_errors.append(said.text) if said.type == "error" else None)
            page.on("pageerror", lambda error: page.console_errors.append(str(error)))
            pages.append(page)

        context.on("page", watch)
        page = context.new_page()
        page.goto(url)
        if "token=" in url:  # answered with a page that goes on by itself
            page.wait_for_url("**/ui/**")
        return page

    yield open_url
    problems = [f"{page.url}: {error}" for page in pages for error in page.console_errors]
    for page in pages:
        if not page.is_closed() and page.url.startswith("http"):
            problems += [f"{page.url}: {violation}" for violation in page.evaluate("window.cspViolations || []")]
    for context in contexts:
        context.close()
    assert problems == []


@pytest.fixture
def assert_accessible() -> Callable[[Page], None]:
    """Check a page with axe: no violations."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed").Axe()

    def check(page: Page) -> None:
        found = axe.run(page).response["violations"]
        assert [(one["id"], one["help"], [node["html"][:200] for node in one["nodes"][:3]]) for one in found] == []

    return check
