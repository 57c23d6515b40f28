"""Sphinx configuration: Markdown pages (MyST), API reference from docstrings (autodoc), theme Furo.

Build: `sphinx-build -W docs docs/_build/html`.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import holdwater

sys.path.insert(0, str(Path(__file__).parent))

import make_component_diagram
import make_state_diagrams

project = "Holdwater"
author = "The Holdwater authors"
copyright = author
release = version = holdwater.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_copybutton"]
exclude_patterns = ["_build"]
source_suffix = {".md": "markdown"}

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4
copybutton_prompt_text = "$ "
copybutton_only_copy_prompt_lines = True

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
autodoc_class_signature = "separated"
default_role = "code"
suppress_warnings = ["ref.python"]  # root exports have a second name in the module of their subject
python_use_unqualified_type_names = True
add_module_names = False
toc_object_entries = False

html_theme = "furo"
html_title = f"Holdwater {release}"
html_static_path = ["_static"]
html_css_files = ["holdwater.css"]
html_show_sphinx = False
html_copy_source = False
templates_path: list[str] = []
pygments_style = "friendly"
pygments_dark_style = "monokai"

_CODE = re.compile(r"(`+[^`]*`+)")
_LIST_ITEM = re.compile(r"\s*(?:[-*]|\d+\.)\s")


def _escape(text: str) -> str:
    """Escape what reStructuredText reads as markup outside of code spans; docstrings are plain text with `code`."""
    parts = _CODE.split(text)
    plain = [re.sub(r"([\\*|_])", r"\\\1", part) if k % 2 == 0 else _code(part) for k, part in enumerate(parts)]
    return "".join(plain)


def _code(span: str) -> str:
    inner = span.strip("`").strip()
    return f"``{inner}``\\ " if inner else "\\`"


def _paragraphs(lines: list[str]) -> list[list[str]]:
    found: list[list[str]] = [[]]
    for line in lines:
        if line.strip():
            found[-1].append(line.rstrip())
        elif found[-1]:
            found.append([])
    return [block for block in found if block]


def plain_docstring(_app: Any, _what: str, _name: str, _obj: Any, _options: Any, lines: list[str]) -> None:
    """Make a docstring of plain text valid reStructuredText: paragraphs, lists, indented literal blocks."""
    rendered: list[str] = []
    literal = False
    for block in _paragraphs(lines):
        if rendered:
            rendered.append("")
        if all(line.startswith("    ") for line in block):
            rendered += block if literal else ["::", "", *block]
            literal = True
            continue
        literal = False
        if _LIST_ITEM.match(block[0]):
            rendered += _bullets(block)
        else:
            rendered.append(_escape(" ".join(line.strip() for line in block)))
    lines[:] = rendered


def _bullets(block: list[str]) -> list[str]:
    """Join the lines of each list item."""
    items: list[str] = []
    for line in block:
        if _LIST_ITEM.match(line) or not items:
            items.append(_LIST_ITEM.sub("", line, count=1).strip())
        else:
            items[-1] += " " + line.strip()
    return [f"- {_escape(item)}" for item in items]


def setup(app: Any) -> None:
    make_component_diagram.write_all()
    make_state_diagrams.write_all()
    app.connect("autodoc-process-docstring", plain_docstring)
