"""`@task(map_over=...)`: one call of the function, as a child run, for each item of a list in the context."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from holdwater.errors import ConfigError, ContextTooLarge, EncodingError, NodeFailure, WorkflowError
from holdwater.model import validation
from holdwater.model.fanout import ChildResult, ChildRunsRequest
from holdwater.model.signatures import signature_of
from holdwater.model.suggestions import did_you_mean
from holdwater.model.values import StoredValue, stored_list
from holdwater.tasks.context import Context
from holdwater.tasks.layered_map import LayeredMap
from holdwater.tasks.patch import Patch

ITEM_KEY: Final = "item"
"""key of the item in the context that the run of an item starts with"""
RESULT_KEY: Final = "result"
"""key of the result in the context that the run of an item ends with"""
ERRORS_SUFFIX: Final = "_errors"
MAX_CONCURRENT_ITEMS: Final = 1_000
"""items of one task that run at once where `map_concurrency` sets no lower limit"""
MAX_MAPPED_ITEMS: Final = 100_000
"""items of one task"""
MAX_ITEM_INPUTS_BYTES: Final = 256 * 1024 * 1024
"""of what the runs of all items of a task start with, together"""
_PARAMETERS: Final = ("context", "item", "handle", "task_handle")

ErrorHandling = Literal["raise", "continue"]


@dataclass(frozen=True, slots=True)
class TaskMap:
    """The mapping of a task.  `over`: key of the list; `result_key`: key of the list of results.

    `max_concurrency`: items that run at once.  `error_handling`: "raise", after a failure no more items are started
    and the task fails; "continue", failed items have None among the results.  `parameters`: those of the function.
    """

    over: str
    result_key: str
    max_concurrency: int
    error_handling: ErrorHandling
    parameters: tuple[str, ...]

    @property
    def takes_context(self) -> bool:
        return "context" in self.parameters

    @property
    def takes_handle(self) -> bool:
        return "handle" in self.parameters or "task_handle" in self.parameters


def make_task_map(
    task_id: str,
    function: Callable[..., Any],
    over: object,
    result_key: str | None,
    max_concurrency: int | None,
    error_handling: str,
) -> TaskMap:
    """Check the options of a mapped task.  Raises ConfigError, WorkflowError."""
    key = validation.check_text("map_over=", over, max_bytes=validation.MAX_NAME_BYTES, error_class=ConfigError)
    into = task_id if result_key is None else result_key
    validation.check_text("map_result=", into, max_bytes=validation.MAX_NAME_BYTES, error_class=ConfigError)
    if into == key:
        raise ConfigError(
            f"task {task_id!r} is mapped over {key!r} and would replace it by its results", hint="map_result=..."
        )
    if max_concurrency is not None:
        validation.check_count("map_concurrency", max_concurrency, minimum=1)
    if error_handling not in ("raise", "continue"):
        raise ConfigError(f"map_error_handling is 'raise' or 'continue', not {error_handling!r}")
    width = min(max_concurrency or MAX_CONCURRENT_ITEMS, MAX_CONCURRENT_ITEMS)
    return TaskMap(key, into, width, error_handling, _check_parameters(task_id, function))  # type: ignore[arg-type]


def _check_parameters(task_id: str, function: Callable[..., Any]) -> tuple[str, ...]:
    parameters = signature_of(function).parameters.values()
    names = tuple([p.name for p in parameters if p.default is p.empty or p.name in _PARAMETERS])
    unknown = [name for name in names if name not in _PARAMETERS]
    positional = [p.name for p in parameters if p.kind is p.POSITIONAL_ONLY]
    if unknown or positional or ITEM_KEY not in names:
        raise WorkflowError(
            f"the function of task {task_id!r} is called for each item, and takes ({', '.join(map(str, parameters))})",
            hint="it takes `item`, and what it needs of `context` and `handle`: def convert(item, context)",
        )
    return names


class ItemFunction:
    """The function of a mapped task as the function of a task in the run of one item.  Can be pickled if it can."""

    def __init__(self, function: Callable[..., Any], task_map: TaskMap, is_async: bool) -> None:
        self.__wrapped__ = function
        self.__name__ = getattr(function, "__name__", "item")
        self._map, self._is_async = task_map, is_async

    def __call__(self, context: Context, handle: Any = None) -> Any:
        """Call it with the item; returns the changes of the context, or a coroutine of them."""
        given = {"context": context, "handle": handle, "task_handle": handle}
        item = context.remove(ITEM_KEY)
        returned = self.__wrapped__(
            **{name: item if name == ITEM_KEY else given[name] for name in self._map.parameters}
        )
        return self._await(context, returned) if self._is_async else _to_result(context, returned)

    async def _await(self, context: Context, returned: Any) -> dict[str, Any]:
        return _to_result(context, await returned if inspect.isawaitable(returned) else returned)


def _to_result(context: Context, returned: Any) -> dict[str, Any]:
    """Leave nothing in the context but the result."""
    result = returned.to_dict() if isinstance(returned, Context) else returned
    for key in list(context):
        context.remove(key)
    return {RESULT_KEY: result}


class FinishedItems(LayeredMap):
    """The view of a mapped task whose items have ended."""

    __slots__ = ("child_results",)

    def __init__(self, view: LayeredMap, child_results: tuple[ChildResult | None, ...]) -> None:
        super().__init__(view.layers, view.count, view.size_bytes)
        self.child_results = child_results


def request_items(task_id: str, task_map: TaskMap, view: LayeredMap, input_cell: str) -> ChildRunsRequest:
    """Build the request for the runs of the items.

    Raises WorkflowError if the context has no such list, or an `item` of its own; ContextTooLarge, EncodingError.
    """
    items = _read_items(task_id, task_map, view)
    shared: dict[str, StoredValue] = {}
    if task_map.takes_context:
        shared = {key: value for key, value in view.items() if key != task_map.over}
        if ITEM_KEY in shared:
            raise WorkflowError(
                f"the context has a key {ITEM_KEY!r}, which task {task_id!r} has for each item of {task_map.over!r}",
                hint="give the key another name",
            )
    size = sum([len(item.text) for item in items]) + len(items) * sum([len(one.text) for one in shared.values()])
    if size > MAX_ITEM_INPUTS_BYTES:
        raise ContextTooLarge(
            f"the runs of the {len(items):,} items of task {task_id!r} would start with {size:,} bytes; the limit is "
            f"{MAX_ITEM_INPUTS_BYTES:,}",
            hint="a function of `item` alone gets no copy of the context" if shared else "map over names, not contents",
        )
    return ChildRunsRequest(
        tuple([{input_cell: Patch({**shared, ITEM_KEY: item})} for item in items]),
        task_map.max_concurrency,
        task_map.error_handling == "raise",
    )


def _read_items(task_id: str, task_map: TaskMap, view: LayeredMap) -> list[StoredValue]:
    stored = view.get_stored(task_map.over)
    if stored is None:
        names = [key for key, _ in view.items()]
        raise WorkflowError(
            f"task {task_id!r} is mapped over {task_map.over!r}, which is not in the context",
            hint=did_you_mean(task_map.over, names) or "an earlier task, or the start of the run, has to set it",
        )
    found = stored.copy()
    if not isinstance(found, (list, tuple)):
        raise WorkflowError(
            f"task {task_id!r} is mapped over {task_map.over!r}, which is a {type(found).__name__} and no list",
            hint="items are run in order, and collected in order: make it a list",
        )
    if len(found) > MAX_MAPPED_ITEMS:
        raise WorkflowError(
            f"task {task_id!r} is mapped over {len(found):,} items; the limit is {MAX_MAPPED_ITEMS:,}",
            hint="have each item stand for several",
        )
    items = []
    for index, item in enumerate(found):
        try:
            items.append(StoredValue.encode(item))
        except EncodingError as error:
            raise EncodingError(f"item {index} of {task_map.over!r}: {error.message}", path=error.path) from error
    return items


def collect_items(task_map: TaskMap, child_results: Sequence[ChildResult | None]) -> Patch:
    """Build the changes of the context by the items.  Raises NodeFailure if one has failed and the task fails by it."""
    failed = [(index, one) for index, one in enumerate(child_results) if one is not None and one.status != "completed"]
    if failed and task_map.error_handling == "raise":
        index, first = min(failed, key=lambda one: one[1].status != "failed")  # others were cancelled because of it
        raise NodeFailure("CHILD", f"item {index} of {task_map.over!r} failed: {first.error or first.status}")
    none = StoredValue.encode(None)
    results = [
        none if one is None or one.status != "completed" else _stored(one.values[RESULT_KEY]) for one in child_results
    ]
    made = {task_map.result_key: stored_list(results)}
    if task_map.error_handling == "continue":
        errors = [{"index": index, "error": one.error or one.status} for index, one in failed]
        made[task_map.result_key + ERRORS_SUFFIX] = StoredValue.encode(errors)
    return Patch(made)


def _stored(value: Any) -> StoredValue:
    return value if isinstance(value, StoredValue) else StoredValue.encode(value)


@dataclass(frozen=True, slots=True)
class ItemWorkflow:
    """The workflow of one item: the mapped task alone.  Fields as of `TaskWorkflow`."""

    name: str
    plan: Any
    tasks: tuple[Any, ...]
    namespace: Any
    code: str
    description: str = ""
    inputs: None = None

    @property
    def tags(self) -> Mapping[str, str]:
        return {}

    def get_roots(self) -> list[str]:
        """Return the full name of the task."""
        return [str(self.namespace.task_namespace(self.tasks[0].id))]
