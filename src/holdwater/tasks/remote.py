"""Execution of a single task in another process: the context is sent and the patch returned as encoded texts."""

from __future__ import annotations

import importlib
import inspect
import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from holdwater.errors import EncodingError, TaskNotPortable, TaskReturnError
from holdwater.model import codec, message_framing
from holdwater.model.coroutines import run_awaitable
from holdwater.model.value_types import class_names, custom_types
from holdwater.model.value_types.class_names import main_name, resolve_on_peer
from holdwater.model.value_types.custom_types import TypeRegistration
from holdwater.model.values import StoredValue
from holdwater.tasks.context import Context
from holdwater.tasks.layered_map import LayeredMap
from holdwater.tasks.patch import Patch
from holdwater.tasks.task_definition import Task


@dataclass(frozen=True, slots=True)
class PicklableTask:
    """A task to be pickled, without observers, dependencies and rule."""

    task: Task
    max_context_bytes: int
    main_module: str
    """module name of the sender's script, under which classes of the script are encoded"""

    @classmethod
    def from_task(cls, task: Task, max_context_bytes: int) -> PicklableTask:
        """Convert a task, dropping observers and rule, which need not be picklable.  Raises TaskNotPortable."""
        if task.invoking_function is not None:
            raise TaskNotPortable(
                f"task {task.id!r} invokes a workflow, and no runs are started from another process",
                hint="take it off that executor, and move the computation to a task of its own",
            )
        return cls(
            replace(task, dependencies=(), rule=None, on_success=None, on_failure=None), max_context_bytes, main_name()
        )

    def source_file(self) -> str:
        """Return the source file of the function, "" if that is unknown."""
        code = getattr(inspect.unwrap(self.task.function), "__code__", None)
        return "" if code is None else str(code.co_filename)

    def referenced_names(self) -> dict[str, Any]:
        """Return the globals and closure variables of the function by name, for messages of a failed pickling."""
        with suppress(TypeError):
            used = inspect.getclosurevars(self.task.function)
            return {**used.globals, **used.nonlocals}
        return {}

    def execute(self, payload: bytes, control: Any) -> bytes:
        """Execute on the bytes of `serialize_context`; returns the packed patch.

        An `async def` function gets an event loop of its own.  Its exceptions propagate.
        """
        with resolve_on_peer(self.main_module):
            return self._run_and_pack(payload, control)

    def _run_and_pack(self, sent: bytes, control: Any) -> bytes:
        keys, texts = message_framing.unpack_frame(sent)
        view = LayeredMap.from_values({key: stored_from_text(text) for key, text in zip(keys, texts, strict=True)})
        context = Context.from_view(view, max_bytes=self.max_context_bytes)
        given = self.task.run_function(context, control)
        if self.task.is_async and inspect.isawaitable(given):
            given = run_awaitable(given)
        patch = build_context_patch(self.task, context, given)
        return message_framing.pack_frame(
            [list(patch.set), list(patch.removed)], *[value.text.encode("ascii") for value in patch.set.values()]
        )


def serialize_context(view: LayeredMap) -> tuple[bytes, list[Any]]:
    """Pack a view; returns bytes, and the classes and registered types needed to decode them."""
    values = dict(view.items())
    texts = [value.text for value in values.values()]
    return message_framing.pack_frame(list(values), *[text.encode("ascii") for text in texts]), list(
        required_types(texts)
    )


def deserialize_patch(answer: bytes) -> Patch:
    """Unpack the patch of `PicklableTask.execute`.  Raises DecodingError, EncodingError for an unknown class."""
    (keys, removed), texts = message_framing.unpack_frame(answer)
    values = {key: stored_from_text(text) for key, text in zip(keys, texts, strict=True)}
    for key, value in values.items():
        for name in codec.referenced_types(value.text)[0]:
            if not _can_find_class(name):
                raise EncodingError(
                    f"context key {key!r}: value of the class {name}, which the process of the runner cannot find",
                    path=key,
                    hint="move the class to the top level of a module",
                )
    return Patch(values, tuple(removed))


def _can_find_class(name: str) -> bool:
    """Return True if this process finds the class, importing its module as the function did in the other process."""
    if class_names.find_class(name) is None:
        with suppress(Exception):
            importlib.import_module(name.partition(":")[0])
    return class_names.find_class(name) is not None


def stored_from_text(text: bytes) -> StoredValue:
    """Create a value from its text; scalars are decoded at once."""
    known = text.decode("ascii")
    return StoredValue(text=known) if known[:1] in ("{", "[") else StoredValue.from_tree(json.loads(known))


def required_types(texts: Iterable[str]) -> Iterable[type | TypeRegistration]:
    """Find the classes and registrations these encoded values need, as far as this process has them.

    Registrations of its script are always included: the other process cannot import the script.
    """
    names: dict[str, None] = {}
    kinds: dict[str, None] = dict.fromkeys(custom_types.registered_names("__main__", "__mp_main__"))
    for text in texts:
        of_classes, of_types = codec.referenced_types(text)
        names.update(dict.fromkeys(of_classes))
        kinds.update(dict.fromkeys(of_types))
    for name in names:
        module, _, path = name.partition(":")
        outer = class_names.find_class(f"{module}:{path.partition('.')[0]}") or class_names.find_class(name)
        if outer is not None:
            yield outer
    for kind in kinds:
        one = custom_types.find_registration(kind)
        if one is not None:
            yield one


def build_context_patch(task: Task, context: Context, returned: Any) -> Patch:
    """Build the patch of an execution by its return value.  Raises TaskReturnError, EncodingError, ContextTooLarge."""
    if returned is None or returned is context:
        changed, removed = context.delta()
    elif isinstance(returned, Context):
        changed, removed = context.delta_to(returned)
    elif isinstance(returned, dict):
        context.update_from_dict(returned)
        changed, removed = context.delta()
    else:
        if inspect.iscoroutine(returned):
            returned.close()  # it is never awaited
        raise TaskReturnError(
            f"task {task.id!r} returned {_describe_return_value(returned)}",
            hint="return the context, None (changes of the context are kept) or a dict (merged into it)",
        )
    return Patch(changed, tuple(removed))


def _describe_return_value(returned: Any) -> str:
    if inspect.isawaitable(returned):
        return "something to await from a function that is not `async def`"
    return f"{type(returned).__module__}.{type(returned).__qualname__}".removeprefix("builtins.")
