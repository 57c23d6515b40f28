"""Scripts and styles: their size, rules that nothing uses, and how browsers keep them."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import httpx
import pytest

import holdwater
from holdwater import Context, DefaultRunner, WorkflowBuilder, task
from holdwater.drawing.marks import MARKS
from holdwater.server.static_files import compact_css, compact_js, fingerprint, static_files
from tests.server.live import Live

MAX_SCRIPT_BYTES = 26_000
"""of one page as it is sent, with the modules it imports at once"""
MAX_COMPRESSED_SCRIPT_BYTES = 10_000
MAX_STYLE_BYTES = 16_000
"""of a page but that of a run"""
MAX_GRAPH_STYLE_BYTES = 4_000
"""of a page with a picture, beside the others"""
MAX_RUN_STYLE_BYTES = 26_000
"""of a tab of a run, of whatever state"""
MAX_FIRST_PAGE_BYTES = 60_000
"""of a page without rows, with its scripts and styles"""
MAX_ROW_BYTES = 900
"""of a run in the list of runs"""
COMPRESSION_LEVEL = 6

LINK = re.compile(r'(?:href|src)="/static/\w+/([\w.]+)"')
IMPORT = re.compile(r"^import.* from '\./([\w.]+)'", re.MULTILINE)
CLASS = re.compile(r"\.([a-zA-Z][\w-]*)")
MADE_OF_WORDS = {f"{prefix}-{name}" for prefix in ("mark", "state") for name in MARKS} | {"kind-end"}
"""classes whose names are put together"""


@pytest.fixture
def browser(live: Live) -> Iterator[httpx.Client]:
    with live.browser() as client:
        yield client


def loaded(page: str, *more: str) -> set[str]:
    """Names of the files that a page loads, with what its modules import.  `more`: modules imported for this page."""
    found: set[str] = set()
    waiting = [*LINK.findall(page), *more]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += IMPORT.findall(static_files()[name].decode()) if name.endswith(".js") else []
    return found


def sizes(names: set[str], ending: str) -> tuple[int, int]:
    """Bytes of the files, and of all of them compressed, as they are sent."""
    bodies = [static_files()[name] for name in names if name.endswith(ending)]
    return sum(map(len, bodies)), sum([len(gzip.compress(body, COMPRESSION_LEVEL)) for body in bodies])


def assert_scripts_are_small(files: set[str], page: str) -> None:
    plain, compressed = sizes(files, "js")
    assert plain <= MAX_SCRIPT_BYTES, page
    assert compressed <= MAX_COMPRESSED_SCRIPT_BYTES, page


def test_pages_are_small(browser: httpx.Client, runner: DefaultRunner) -> None:
    with WorkflowBuilder("small"):
        task(id="one")(lambda context: None)
    run_id = runner.execute("small", {}).run_id
    for path in (
        "runs",
        "workflows",
        "schedules",
        "questions",
        "packages",
        "ops",
        "workflows/small",
        "workflows/small/start",
        "schedules/new",
    ):
        page = browser.get(f"/ui/public/{path}").text
        files = loaded(page)
        assert sizes(files, "css")[0] <= MAX_STYLE_BYTES + ("graph.css" in files) * MAX_GRAPH_STYLE_BYTES, path
        assert_scripts_are_small(files, path)
    for tab, *more in (
        ("graph", "graph.js"),
        ("timeline", "timeline.js"),
        ("tasks",),
        ("events",),
        ("context",),
        ("doctor",),
    ):
        files = loaded(browser.get(f"/ui/public/runs/{run_id}?tab={tab}").text, *more)
        assert sizes(files, "css")[0] <= MAX_RUN_STYLE_BYTES, tab
        assert_scripts_are_small(files, tab)


def test_the_list_of_runs_is_small(browser: httpx.Client, runner: DefaultRunner) -> None:
    with WorkflowBuilder("rows"):

        @task()
        def fail(context: Context) -> None:
            raise OSError("502 Bad Gateway")

    for _ in range(3):
        runner.execute("rows", {})
    empty = browser.get("/ui/public/runs?workflow=none-of-this-name").text
    three = browser.get("/ui/public/runs?workflow=rows&fragment=rows").text
    rows = re.findall("<tr data-row.*?</tr>", three, re.DOTALL)
    assert len(rows) == 3
    assert max(map(len, rows)) <= MAX_ROW_BYTES
    files = loaded(empty)
    assert len(empty) + sizes(files, "css")[0] + sizes(files, "js")[0] <= MAX_FIRST_PAGE_BYTES


def test_every_rule_is_used() -> None:
    root = Path(holdwater.__file__).parent
    sources = [*root.glob("server/**/*.html"), *root.glob("server/**/*.py"), *root.glob("drawing/*.py")]
    sources += root.glob("server/static/*.js")
    words = set(re.findall(r"[\w-]+", "\n".join([source.read_text(encoding="utf-8") for source in sources])))
    unused = []
    for name, body in static_files().items():
        if name.endswith(".css"):
            selectors = re.sub(r"[^{};]*;|[^{};]*\}", " ", body.decode())
            unused += [(name, one) for one in CLASS.findall(selectors) if one not in words | MADE_OF_WORDS]
    assert unused == []


def test_files_are_kept_under_their_fingerprint(browser: httpx.Client) -> None:
    own = browser.get(f"/static/{fingerprint()}/app.js")
    assert own.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert own.headers["content-type"].startswith("text/javascript")
    other = browser.get("/static/other/app.js")
    assert other.headers["cache-control"] == "no-cache"
    assert other.content == own.content
    assert browser.head(f"/static/{fingerprint()}/icon.svg").headers["content-type"] == "image/svg+xml"
    assert browser.get(f"/static/{fingerprint()}/none.js").status_code == 404


def test_only_comments_and_layout_are_left_out() -> None:
    css = 'a > b, c:is(d, e) { /* why */ content: "a  : {b}; ↓"; margin: calc(1px - 2px) ;\n color: var(--x, red); }\n'
    assert compact_css(css) == 'a>b,c:is(d,e){content:"a  : {b}; ↓";margin:calc(1px - 2px);color:var(--x,red)}'
    assert compact_css("a :hover { b: c }") == "a :hover{b:c}"
    js = "// why\n\n  const a = 'b // c' + `${d, 1}`; // d\n\tif (e) f(/x , '/) - -g;\n"
    js += "  h.replace(/ , '\\//g, 'i') ; // it's\n"
    assert compact_js(js) == "const a='b // c' + `${d, 1}`;\nif(e)f(/x , '/)- -g;\nh.replace(/ , '\\//g,'i');\n"


def test_no_text_of_a_script_goes_on_over_the_end_of_a_line() -> None:
    for file in (resources.files("holdwater.server") / "static").iterdir():
        if file.name.endswith(".js"):
            for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
                assert line.count("`") % 2 == 0 or line.strip().startswith("//"), (file.name, number)
                assert "/*" not in line, (file.name, number)
