"""Digests of inputs: whether two calls ask for the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def digest_of_cells(cells: Mapping[str, Any]) -> str:
    """32 hex digits, the same for equal inputs in every process: of their encoding, whatever the order of keys."""
    texts = {name: cell if isinstance(cell, str) else cell.text for name, cell in cells.items()}
    text = "\0".join([f"{name}\0{_canonical_json(texts[name])}" for name in sorted(texts)])
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def digest_of_value(text: str) -> str:
    """32 hex digits of one encoded value, the same for equal values in every process, whatever the order of keys."""
    return _digest(_canonical_json(text) if "{" in text else text)


def digest_of_digests(digests: Mapping[str, str]) -> str:
    """32 hex digits of named values, given the digest of each."""
    return _digest("\0".join([f"{name}\0{digests[name]}" for name in sorted(digests)]))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _canonical_json(text: str) -> str:
    try:
        return json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"))
    except (ValueError, RecursionError):  # a style whose cells are no JSON, or nested deeper than can be sorted
        return text
