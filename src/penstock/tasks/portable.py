"""A task alone, fit to run in another process: its context goes there as stored texts, its patch comes back as such."""

from __future__ import annotations

import importlib
import inspect
import json
import re
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final

from penstock.model import codec, frames
from penstock.model.errors import TaskNotPortable, TaskReturnError
from penstock.model.values import Stored
from penstock.tasks.context import Context
from penstock.tasks.definition import Task
from penstock.tasks.patch import Patch
from penstock.tasks.view import View

_CLASS: Final = re.compile(r'"c":"([^"\\]+):([^"\\]+)"')


@dataclass(frozen=True, slots=True)
class TaskBody:
    """The body of a task, without its observers and its place in a workflow.  To be pickled."""

    task: Task
    max_context_bytes: int

    @classmethod
    def of(cls, task: Task, max_context_bytes: int) -> TaskBody:
        """Observers and rules stay at home: they need not be picklable.  Raises TaskNotPortable."""
        if task.invoking is not None:
            raise TaskNotPortable(
                f"task {task.id!r} invokes a workflow, and no runs are started from another process",
                hint="take it off that executor, and give the computing to a task of its own",
            )
        return cls(replace(task, dependencies=(), rule=None, on_success=None, on_failure=None), max_context_bytes)

    def refers_to(self) -> dict[str, Any]:
        """What the function uses by name, for the message when it cannot be pickled."""
        with suppress(TypeError):
            used = inspect.getclosurevars(self.task.function)
            return {**used.globals, **used.nonlocals}
        return {}

    def perform(self, sent: bytes, control: Any) -> bytes:
        """Run the body on what `send` wrote; returns the packed patch.  An `async def` body gets a loop of its own."""
        keys, texts = frames.unpack(sent)
        view = View.of({key: unpacked(text) for key, text in zip(keys, texts, strict=True)})
        context = Context.over(view, max_bytes=self.max_context_bytes)
        given = self.task.call(context, control)
        if self.task.is_async and inspect.isawaitable(given):
            import asyncio

            async def awaited(it: Any = given) -> Any:
                return await it

            given = asyncio.run(awaited())
        patch = left_behind(self.task, context, given)
        return frames.pack(
            [list(patch.set), list(patch.removed)], *[value.text.encode("ascii") for value in patch.set.values()]
        )


def send(view: View) -> tuple[bytes, list[type]]:
    """What the task sees, packed, and the classes its values are of: the codec imports nothing at the other end."""
    values = dict(view.items())
    texts = [value.text.encode("ascii") for value in values.values()]
    return frames.pack(list(values), *texts), list(classes([value.text for value in values.values()]))


def receive(answer: bytes) -> Patch:
    """The patch that `perform` packed.  Raises DecodingError."""
    (keys, removed), texts = frames.unpack(answer)
    values = {key: unpacked(text) for key, text in zip(keys, texts, strict=True)}
    for module, _ in _named([value.text for value in values.values()]):
        with suppress(
            Exception
        ):  # the body imported it; a thread would have done so here.  Who reads the value is told
            importlib.import_module(module)
    return Patch(values, tuple(removed))


def unpacked(text: bytes) -> Stored:
    """A value from its text; scalars are told from the rest, as everywhere."""
    known = text.decode("ascii")
    return Stored(text=known) if known[:1] in ("{", "[") else Stored.from_tree(json.loads(known))


def classes(texts: Sequence[str]) -> Iterable[type]:
    """The classes these encoded values are of, as far as this process has them."""
    for module, name in _named(texts):
        found = getattr(sys.modules.get(module), name.partition(".")[0], None)
        if isinstance(found, type):
            yield found


def _named(texts: Sequence[str]) -> Iterable[tuple[str, str]]:
    tagged = [text for text in texts if not codec.plain(text)]
    return dict.fromkeys([match for text in tagged for match in _CLASS.findall(text)])


def left_behind(task: Task, context: Context, given: Any) -> Patch:
    """The change a body made, by what it returned.  Raises TaskReturnError, EncodingError, ContextTooLarge."""
    if given is None or given is context:
        changed, removed = context.delta()
    elif isinstance(given, Context):
        changed, removed = context.replaced_by(given)
    elif isinstance(given, dict):
        context.update_from_dict(given)
        changed, removed = context.delta()
    else:
        if inspect.iscoroutine(given):
            given.close()  # nobody will await it
        raise TaskReturnError(
            f"task {task.id!r} returned {_described(given)}",
            hint="return the context, None (what was changed in it is kept) or a dict (merged into it)",
        )
    return Patch(changed, tuple(removed))


def _described(given: Any) -> str:
    if inspect.isawaitable(given):
        return "something to await from a body that is not `async def`"
    return f"{type(given).__module__}.{type(given).__qualname__}".removeprefix("builtins.")
