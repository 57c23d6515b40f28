"""From what is written to a stream, piece by piece, to lines."""

from __future__ import annotations

from holdwater.model.logs import MAX_LINE_CHARS
from holdwater.model.time import UNSET


class LineAssembler:
    """The line of one stream that has not ended yet.

    A carriage return begins the line again, as on a terminal: of a progress bar the last state remains.
    """

    __slots__ = ("_begins_again", "_omitted_chars", "_pending", "written_at")

    def __init__(self) -> None:
        self.written_at = UNSET
        """instant of the piece that began the line, or of a later one"""
        self._pending = ""
        self._omitted_chars = 0
        self._begins_again = False

    def extend(self, text: str) -> bool:
        """Add to a line that was begun; returns False, and does nothing, if that is not all there is to do."""
        if not self._pending or self._begins_again or "\n" in text or "\r" in text:
            return False
        if len(self._pending) + len(text) > MAX_LINE_CHARS:
            return False
        self._pending += text
        return True

    def feed(self, text: str) -> list[str]:
        """Take in what was written; returns the lines that have ended."""
        *complete, rest = text.split("\n")
        lines = []
        for part in complete:
            self._append(part)
            lines.append(self._take())
        self._append(rest)
        return lines

    def finish(self) -> list[str]:
        """End the line, if one was begun."""
        return [self._take()] if self._pending else []

    def _append(self, text: str) -> None:
        shown = text.rstrip("\r")
        if "\r" in shown:
            self._clear()
            shown = shown.rpartition("\r")[2]
        elif self._begins_again and shown:
            self._clear()
        self._begins_again = text.endswith("\r") or (self._begins_again and not text)
        room = MAX_LINE_CHARS - len(self._pending)
        self._pending += shown[:room]
        self._omitted_chars += max(0, len(shown) - room)

    def _take(self) -> str:
        line = self._pending
        if self._omitted_chars:
            line = f"{line} ... {self._omitted_chars:,} characters left out"
        self._clear()
        return line

    def _clear(self) -> None:
        self._pending, self._omitted_chars, self._begins_again = "", 0, False
