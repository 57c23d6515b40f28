"""Answers as clients of Cloacina's server expect them, where the application gives them."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request


def _has_legacy_lists(request: Request) -> bool:
    return bool(request.app.state.legacy_lists)


LegacyLists = Annotated[bool, Depends(_has_legacy_lists)]
"""parameter of an endpoint: the application has `legacy_lists`, see `app.create_app`"""
