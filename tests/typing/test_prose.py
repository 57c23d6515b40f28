"""Docstrings are imperatives or noun phrases, and texts name who acts: the process, the caller, the user."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import holdwater

SOURCES = Path(holdwater.__file__).parent
TESTS = Path(__file__).parents[1]

QUESTION = re.compile(
    r"\W*(what|who|whom|whose|whether|where|how|when|whenever|why|that|nobody|somebody|anybody|whoever|everything)\b",
    re.IGNORECASE,
)
UNNAMED_ACTOR = re.compile(r"\b(nobody|somebody|anybody|whoever)\b", re.IGNORECASE)
UNLISTED_ERRORS = re.compile(r"\braises? (what|as|whatever)\b", re.IGNORECASE)
EXPLAINED = re.compile(r"(?:^|[.;(]\s+|\n\s*)`(\w+)`(?:, `(\w+)`)*:")
"""`` `name`: what it is`` """
OWN_ATTRIBUTES = frozenset({"Protocol", "Generic", "NamedTuple", "TypedDict"})
"""bases without attributes of their own"""


def docstrings(tree: ast.Module) -> Iterator[tuple[ast.AST, ast.Constant]]:
    """Every docstring, and every string that stands below the attribute it describes."""
    for node in ast.walk(tree):
        for statement in getattr(node, "body", ()) if not isinstance(node, (ast.Lambda, ast.IfExp)) else ():
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                yield node, statement.value


def offences(source: str) -> list[str]:
    found = []
    for owner, constant in docstrings(ast.parse(source)):
        if not isinstance(constant.value, str):
            continue
        if QUESTION.match(constant.value):
            found.append(f"{constant.lineno}: opens as a question: {constant.value.strip().splitlines()[0]}")
        found += [
            f"{constant.lineno}: explains {name}, which is not there" for name in strangers(owner, constant.value)
        ]
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in (tokenize.COMMENT, tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", -1)):
            continue
        if token.string.startswith("#:") and QUESTION.match(token.string[2:]):
            found.append(f"{token.start[0]}: opens as a question: {token.string}")
        found += [f"{token.start[0]}: says {word}" for word in UNNAMED_ACTOR.findall(token.string)]
        found += [f"{token.start[0]}: does not list its errors" for _ in UNLISTED_ERRORS.findall(token.string)]
    return found


def strangers(owner: ast.AST, text: str) -> list[str]:
    """Names that a docstring explains as parameters or attributes and that its function or class has not."""
    if isinstance(owner, (ast.FunctionDef, ast.AsyncFunctionDef)):
        known = {node.arg for node in ast.walk(owner.args) if isinstance(node, ast.arg)}
        unknowable = owner.args.kwarg is not None or not known - {"self"}
    elif isinstance(owner, ast.ClassDef):
        nodes = list(ast.walk(owner))
        known = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
        known |= {node.arg for node in nodes if isinstance(node, ast.arg)}
        known |= {node.id for node in nodes if isinstance(node, ast.Name)}
        known |= {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
        unknowable = not OWN_ATTRIBUTES.issuperset([ast.unparse(base).partition("[")[0] for base in owner.bases])
    else:
        return []
    named = [name for match in EXPLAINED.finditer(text) for name in re.findall(r"`(\w+)`", match[0])]
    return [] if unknowable else [name for name in named if name not in known]


def test_the_prose_of_the_package() -> None:
    found = [
        f"{path.relative_to(SOURCES)}:{offence}"
        for path in sorted(SOURCES.rglob("*.py"))
        for offence in offences(path.read_text())
    ]
    assert not found, "\n".join(found)


def test_the_prose_of_statements_and_pages() -> None:
    root = TESTS.parent
    pages = [*SOURCES.rglob("*.sql"), *(root / "docs").rglob("*.md"), *root.glob("*.md")]
    found = [f"{path.relative_to(root)}: {word}" for path in pages for word in UNNAMED_ACTOR.findall(path.read_text())]
    assert len(pages) > 50
    assert not found, "\n".join(found)


def test_the_check_itself() -> None:
    source = '''
"""What it is."""
def f(x):
    """Do it; raises what `g` raises.  `y`: not there.  `x`: there."""
    # somebody waits
    return f"nobody {x}"
class C:
    a = 1
    """how many"""
    b = 2  # fine
    #: whether it is
'''
    assert [re.sub(r"^\d+: (\S+ \S+).*", r"\1", one) for one in offences(source)] == [
        "opens as",
        "explains y,",
        "opens as",
        "does not",
        "says somebody",
        "says nobody",
        "opens as",
    ]
