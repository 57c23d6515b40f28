"""Forms from JSON Schemas: a schema and a value become fields, and what a browser posts becomes a value or errors."""

from __future__ import annotations

from holdwater.server.forms.building import build_form
from holdwater.server.forms.fields import Field, Form, Option
from holdwater.server.forms.reading import FormResult, read_form
from holdwater.server.forms.showing import show_posted

__all__ = ["Field", "Form", "FormResult", "Option", "build_form", "read_form", "show_posted"]
