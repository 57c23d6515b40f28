"""Requests that a host answers: import the package, describe it, perform a node, poll a trigger.

An answer is a frame: the report of an exception, or None and the bytes of the result.
"""

from __future__ import annotations

import inspect
import json
import site
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from holdwater.errors import PackageBuildError, PackageError
from holdwater.model.context_isolation import run_in_fresh_context
from holdwater.model.coroutines import run_awaitable
from holdwater.model.error_report import ErrorText
from holdwater.model.message_framing import pack_frame
from holdwater.model.module_workflows import register_module
from holdwater.model.node_messages import unpack_inputs
from holdwater.model.ports.definition import CodeReference
from holdwater.model.registry import registry
from holdwater.model.triggers import TriggerResult, triggers
from holdwater.packages.descriptors.descriptor import describe_package
from holdwater.packages.manifests.manifest import PackageSchedule
from holdwater.packages.manifests.manifest_data import manifest_from_data
from holdwater.packages.programs.performing import NamedNode
from holdwater.runtime.executors.processes.channel import encode_error, run_call
from holdwater.runtime.executors.processes.worker import Worker
from holdwater.runtime.executors.processes.worker_call import WorkerCall
from holdwater.tasks.context import Context


class PackageWorker(Worker):
    """The requests of one host."""

    main_thread_kinds = frozenset({"hello", "load", "describe"})

    def __init__(self, config: Mapping[str, Any], read_fd: int, write_fd: int) -> None:
        super().__init__(read_fd, write_fd, sends_records=True, is_concurrent=config["is_concurrent"])
        self.manifest: Final = manifest_from_data(config["manifest"])
        self._root: Final = config["root"]
        self._site_folders: Final = config["site_folders"]

    def carry_out(self, call: WorkerCall, row: list[Any], blobs: list[bytes]) -> bytes:
        """Answer a request.  Whatever code of the package raises is the answer."""
        kind, _, *fields = row
        match kind:
            case "perform":
                node = NamedNode(registry, CodeReference.from_data(fields[0]))
                return run_call(blobs[0], node.load, call, node.observe_failure)
            case "hello":
                return _answer(lambda: b"")
            case "load":
                return _answer(self._load)
            case "describe":
                return _answer(self._describe)
            case "failed":
                return _answer(lambda: run_in_fresh_context(_tell_observer, fields, blobs[0]))
            case _:
                return _answer(lambda: run_in_fresh_context(_poll_trigger, fields[0]))

    def _load(self) -> bytes:
        """Import the modules of the package, in their order."""
        for folder in self._site_folders:
            site.addsitedir(folder)
        self.import_modules()
        return b""

    def import_modules(self) -> None:
        """Import the modules of the package, and register workflows and named graphs that are variables of them.

        Raises PackageBuildError for a module that is found elsewhere, WorkflowError.
        """
        for name in self.manifest.modules:
            module = import_module(name)
            found = getattr(module, "__file__", None)
            if found is None or not Path(found).is_relative_to(self._root):
                raise PackageBuildError(
                    f"module {name!r} was imported from {found or 'no file'}, and not from the package",
                    hint="give the module a name of its own",
                )
            register_module(module, registry)

    def code_schedules(self) -> Sequence[PackageSchedule]:
        """List the schedules that the code of the package has, beside those of its manifest: none."""
        return ()

    def _describe(self) -> bytes:
        data = describe_package(registry, triggers, self.manifest, Path(self._root), self.code_schedules())
        return json.dumps(data, allow_nan=False).encode()


def _tell_observer(fields: list[Any], inputs: bytes) -> bytes:
    reference, text, error_kind, traceback = fields
    node = NamedNode(registry, CodeReference.from_data(reference))
    node.load()
    node.read_inputs(unpack_inputs(inputs))
    return json.dumps(node.observe_failure(ErrorText(text, error_kind, traceback))).encode()


def _poll_trigger(name: str) -> bytes:
    trigger = triggers.find(name)
    if trigger is None:
        raise PackageError(f"this package has no trigger {name!r}")
    found = trigger.function()
    if inspect.isawaitable(found):
        found = run_awaitable(found)
    if not isinstance(found, TriggerResult):
        raise TypeError(f"trigger {name!r} gave {found!r:.100}, not TriggerResult.skip() or .fire(context)")
    if found.context is None:
        return pack_frame([found.fires, None])
    values = Context(found.context).stored_values()
    return pack_frame([found.fires, list(values)], *[value.text.encode("ascii") for value in values.values()])


def _answer(work: Callable[[], bytes]) -> bytes:
    try:
        return pack_frame(None, work())
    except BaseException as error:  # noqa: BLE001 - SystemExit too: the process that asks decides what follows
        return pack_frame(encode_error(error, None))
