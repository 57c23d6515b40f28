"""Text of users in XML: escaped, and without what XML forbids or what would hide or reorder its surroundings."""

from __future__ import annotations

import re
from html import escape
from typing import Final

# Not the joiners U+200C and U+200D: emoji and several scripts are written with them.
_HIDDEN: Final = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff"
    "\ufff9-\uffff]"
)


def escape_xml(text: str) -> str:
    """Escape a text for elements and attributes; control characters are shown as `\\u202e`."""
    return escape(_HIDDEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text))
