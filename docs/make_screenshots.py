"""Take the pictures of the web UI in docs/_static/ui-*.png, of real runs of examples/shop.py.

A worker executes orders, an import and refunds; one card is declined, and a worker is killed in the middle of an order.

Usage: python docs/make_screenshots.py (needs `holdwater[dev]` and a `chromium`)
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from holdwater.client import Client

HERE = Path(__file__).parent
WIDTH, HEIGHT = 1440, 810
ORDERS = 9
PROD = {"env": "prod", "region": "eu"}


@contextmanager
def started(directory: Path, ready: str, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run `holdwater ARGUMENTS`; gives the process, and the word of its output that begins with `ready`."""
    with subprocess.Popen(
        [sys.executable, "-m", "holdwater", *arguments],
        cwd=directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        word = next(word for line in process.stdout for word in line.split() if word.startswith(ready))
        yield process, word
        process.kill()


def make_runs(directory: Path, database: str) -> dict[str, str]:
    """Execute the example; returns the ids of runs by what there is to see of them."""
    worker = ("worker", "shop.py", "--database", database)
    with started(directory, "ready", *worker), Client(database) as client:
        orders = [client.submit("orders", {"order": f"A-{k}"}, labels=PROD) for k in range(1, ORDERS)]
        declined = client.submit("orders", {"order": "B-1", "card": "declined"}, labels=PROD)
        client.submit("import_catalog", {})
        refund = client.submit("refund", {"order": "A-7", "amount_eur": 39.5}, labels=PROD)
        client.submit("refund", {"order": "A-3", "amount_eur": 12.0}, labels={"env": "test"})
        for run in (*orders, declined, refund):
            run.result(60)
    with started(directory, "ready", *worker) as (process, _), Client(database) as client:
        orphaned = client.submit("orders", {"order": "A-10"}, labels=PROD)
        time.sleep(0.6)  # some of its tasks are done, others run
        process.kill()
    schedule = ("schedules", "add", "import_catalog", "0 2 * * *", "--timezone", "Europe/Berlin", "--name", "nightly")
    subprocess.run([sys.executable, "-m", "holdwater", *schedule, "--database", database], check=True, cwd=directory)
    runs = {"failed": declined, "asking": refund, "orphaned": orphaned}
    return {title: run.run_id for title, run in runs.items()}


def take(browser: Browser, link: str, runs: dict[str, str]) -> None:
    base = f"{link.partition('/ui')[0]}/ui/public"
    session = browser.new_context()
    session.new_page().goto(link)
    state = session.storage_state()
    pictures = {
        "ui-runs": f"{base}/runs",
        "ui-graph": f"{base}/runs/{runs['failed']}?tab=graph&node=charge",
        "ui-timeline": f"{base}/runs/{runs['failed']}?tab=timeline&node=charge",
        "ui-doctor": f"{base}/runs/{runs['orphaned']}?tab=doctor",
        "ui-questions": f"{base}/questions",
        "ui-schedules": f"{base}/schedules",
    }
    page = browser.new_context(viewport={"width": WIDTH, "height": HEIGHT}, storage_state=state).new_page()
    for name, address in pictures.items():
        shoot(page, address, HERE / "_static" / f"{name}.png")


def shoot(page: Page, address: str, path: Path) -> None:
    page.goto(address)
    page.locator("h1").first.wait_for()
    page.wait_for_load_state("load")
    page.wait_for_timeout(600)  # fades have ended
    page.screenshot(path=path)
    print(path, f"{path.stat().st_size / 1000:.0f} kB")


def main() -> None:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        directory, database = Path(name), f"sqlite:///{name}/shop.db"
        shutil.copy(HERE.parent / "examples" / "shop.py", directory)
        runs = make_runs(directory, database)
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        with started(directory, "http://", "ui", "--database", database, "--port", "0") as (_, link):
            take(browser, link, runs)
        browser.close()


if __name__ == "__main__":
    main()
