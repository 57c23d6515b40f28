"""Forms that show again what was posted, with the errors beside the fields."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType

from holdwater.model.json_schema import Schema
from holdwater.server.forms import fields
from holdwater.server.forms.building import build_editor, build_root, is_long, zone_options
from holdwater.server.forms.fields import Field, FieldKind, Form, Option
from holdwater.server.forms.posting import Posted, is_date, shorten_local_time
from holdwater.server.forms.reading import ABSENT


def show_posted(
    schema: Schema | None,
    posted: Iterable[tuple[str, str]],
    errors: Mapping[str, str],
    *,
    name: str = "value",
    label: str = "value",
) -> Form:
    """Build a form that shows what was posted and what is wrong with it.  `errors`: of `read_form`.

    `schema`, `name`, `label`: as for `build_form`.
    """
    texts = Posted(posted)
    root = _show_field(build_root(schema, ABSENT, name=name, label=label, prefill=False), texts, errors)
    editor = None
    if schema and (root.kind != "json" or texts.get(name + fields.WHOLE_SUFFIX) is not None):
        editor = build_editor(root, texts.get(name + fields.WHOLE_SUFFIX) or "")
        editor = replace(editor, error=errors.get(editor.name, ""))
    shown = {field.name for field in _all_fields(root)} | ({editor.name} if editor is not None else set())
    rest = MappingProxyType({name: error for name, error in errors.items() if name not in shown})
    is_json = editor is not None and texts.get(name + fields.MODE_SUFFIX) == "json"
    return Form(root, editor, "json" if is_json else "fields", rest)


def _all_fields(field: Field) -> Iterator[Field]:
    yield field
    for one in field.fields:
        yield from _all_fields(one)


def _show_field(field: Field, posted: Posted, errors: Mapping[str, str]) -> Field:
    name = field.name
    empty = posted.get(name + fields.EMPTY_SUFFIX) or ""
    field = replace(
        field,
        error=errors.get(name, ""),
        empty=empty,
        is_required=field.is_required and not empty,
        fields=tuple([_show_field(one, posted, errors) for one in field.fields]),
    )
    json_text = posted.get(name + fields.JSON_SUFFIX)
    if json_text is not None:
        return replace(field, kind="json", text=json_text, options=(), fields=())
    if field.kind == "choice":
        return replace(field, options=_select(field.options, posted.get_all(name + fields.CHOICE_SUFFIX)))
    if field.options:
        return replace(field, options=_select(field.options, posted.get_all(name)))
    text = posted.get(name)
    return field if text is None else _show_text(field, text, posted.get(name + fields.ZONE_SUFFIX))


def _show_text(field: Field, text: str, zone: str | None) -> Field:
    """Show a text in the input it fits.  `zone`: that of a date-time; None: it has no input of its own."""
    kind: FieldKind = field.kind
    if kind == "date-time" and zone is not None and (not text or shorten_local_time(text)):
        return replace(field, text=text, zone_options=zone_options(zone))
    if kind == "date-time" or (kind == "date" and text and not is_date(text)):
        kind = "text"
    if kind == "text" and is_long(text):
        kind = "textarea"
    return replace(field, kind=kind, text=text, zone_options=())


def _select(options: tuple[Option, ...], chosen: list[str]) -> tuple[Option, ...]:
    return tuple([replace(option, is_selected=option.value in chosen) for option in options])
