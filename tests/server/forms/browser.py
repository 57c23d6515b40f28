"""What a browser without JavaScript posts for the HTML of a form: read from the markup, not from the fields."""

from __future__ import annotations

import datetime as dt
import re
from html.parser import HTMLParser

from jinja2 import Environment, PackageLoader, StrictUndefined

from holdwater.server.forms import Form
from holdwater.server.presentation import FILTERS

ENVIRONMENT = Environment(
    loader=PackageLoader("holdwater.server"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
ENVIRONMENT.filters.update(FILTERS)


def render(form: Form) -> str:
    """Render the fields of a form."""
    template = ENVIRONMENT.from_string('{% from "macros/forms.html" import form_fields %}{{ form_fields(form) }}')
    return template.render(form=form)


class Page(HTMLParser):
    """The controls of some HTML.  `ids`: of elements; `references`: ids that others name."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.posted: list[tuple[str, str]] = []
        self.ids: list[str] = []
        self.references: list[str] = []
        self._textarea: tuple[str, list[str]] | None = None
        self._select: tuple[str, list[tuple[str, bool]]] | None = None
        self.feed(html.replace("\r\n", "\n").replace("\r", "\n"))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {key: value or "" for key, value in attrs}
        if "id" in given:
            self.ids.append(given["id"])
        self.references += given.get("aria-describedby", "").split()
        self.references += [given["for"]] if "for" in given else []
        if tag == "textarea":
            self._textarea = given["name"], []
        elif tag == "select":
            self._select = given["name"], []
        elif tag == "option" and self._select is not None:
            self._select[1].append((given["value"], "selected" in given))
        elif tag == "input":
            self._post_input(given)

    def _post_input(self, given: dict[str, str]) -> None:
        value = given["value"]
        match given["type"]:
            case "radio" | "checkbox":
                if "checked" not in given:
                    return
            case "text":
                value = re.sub("[\r\n]", "", value)
            case "date":
                value = value if re.fullmatch(r"\d{4}-\d\d-\d\d", value) and _exists(value) else ""
            case "datetime-local":
                value = value if re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?", value) and _exists(value) else ""
                value = re.sub(r"(T\d\d:\d\d):00$", r"\1", value)
        self.posted.append((given["name"], value))

    def handle_data(self, data: str) -> None:
        if self._textarea is not None:
            self._textarea[1].append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea" and self._textarea is not None:
            name, parts = self._textarea
            self.posted.append((name, "".join(parts).removeprefix("\n").replace("\n", "\r\n")))
            self._textarea = None
        elif tag == "select" and self._select is not None:
            name, options = self._select
            chosen = [value for value, is_selected in options if is_selected] or [options[0][0]]
            self.posted.append((name, chosen[-1]))
            self._select = None


def _exists(text: str) -> bool:
    try:
        return dt.datetime.fromisoformat(text).year > 0
    except ValueError:
        return False


def post(form: Form) -> list[tuple[str, str]]:
    """Post a form as it is shown."""
    return Page(render(form)).posted
