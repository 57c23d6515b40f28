"""The texts that a browser posts for a form as it stands."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Iterator
from typing import Final

from holdwater.server.forms import fields
from holdwater.server.forms.fields import Field, Form

_REMOVED: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")
"""characters that HTML or a form cannot carry, or not everywhere"""


class Posted:
    """The names and texts of a posted form, in order."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._texts: dict[str, list[str]] = {}
        for name, text in pairs:
            self._texts.setdefault(name, []).append(text.replace("\r\n", "\n"))

    def get(self, name: str) -> str | None:
        """Return the first text of a name; None if there is none."""
        found = self._texts.get(name)
        return found[0] if found else None

    def get_all(self, name: str) -> list[str]:
        """Return all texts of a name."""
        return self._texts.get(name, [])


def posted_form(form: Form) -> Iterator[tuple[str, str]]:
    """Iterate over the names and texts that a browser posts for a form that is left as it is."""
    yield from posted_field(form.root)
    if form.editor is not None:
        yield form.mode_name, form.mode
        yield form.editor.name, _multiline_text(form.editor.text)


def posted_field(field: Field) -> Iterator[tuple[str, str]]:
    """Iterate over the names and texts that a browser posts for a field that is left as it is."""
    name = field.name
    yield name + fields.EMPTY_SUFFIX, field.empty
    match field.kind:
        case "object":
            for one in field.fields:
                yield from posted_field(one)
        case "choice":
            yield from [(name + fields.CHOICE_SUFFIX, option.value) for option in field.options if option.is_selected]
            for one in field.fields:
                yield from posted_field(one)
        case "json":
            yield name + fields.JSON_SUFFIX, _multiline_text(field.text)
        case "textarea" | "list":
            yield name, _multiline_text(field.text)
        case "boolean" | "checkboxes":
            yield from [(name, option.value) for option in field.options if option.is_selected]
        case "select":
            selected = [option.value for option in field.options if option.is_selected]
            yield from [(name, value) for value in (selected or [field.options[0].value])[:1]]
        case "date":
            yield name, field.text if is_date(field.text) else ""
        case "date-time":
            yield name, shorten_local_time(field.text)
            yield from [(name + fields.ZONE_SUFFIX, one.value) for one in field.zone_options if one.is_selected]
        case _:
            yield name, _REMOVED.sub("", re.sub("[\r\n]", "", field.text))


def _multiline_text(text: str) -> str:
    """Write every line break as CR and LF, as a text area posts it."""
    return _REMOVED.sub("", re.sub("\r\n?|\n", "\r\n", text))


def is_date(text: str) -> bool:
    try:
        return dt.date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def shorten_local_time(text: str) -> str:
    """Shorten a local date and time as a browser does: without seconds if these are 0; empty if it is none."""
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        return ""
    if moment.tzinfo is not None or moment.microsecond:
        return ""
    return moment.isoformat().removesuffix(":00") if not moment.second else moment.isoformat()
