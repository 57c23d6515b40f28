"""From `MODULE:WORKFLOW` to a registered workflow, or graph."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, runtime_checkable

from holdwater.cli import exit_codes
from holdwater.cli.exit_codes import CommandError
from holdwater.cli.formatting import truncate
from holdwater.model.error_report import describe_error

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

    from holdwater.drawing.colours import Theme
    from holdwater.model.ports.definition import WorkflowDefinition

_DEFINING_HINT: Final = "it is raised while the module defines its workflows"


@runtime_checkable
class DrawableWorkflow(Protocol):
    """A workflow of any style, or a graph."""

    @property
    def name(self) -> str | None: ...

    def program(self, name: str | None = None) -> WorkflowDefinition: ...

    def to_text(self) -> str: ...

    def to_mermaid(self) -> object:
        """Its `str()` is the chart."""
        ...

    def to_svg(self, *, theme: Theme = "auto") -> str: ...


def load_target(target: str, *, require_choice: bool = True) -> str:
    """Import the module; returns the name its workflow is registered under.

    `choose=False`: empty where the target names none of several, or of none.
    Raises CommandError for a module that cannot be imported, WorkflowNotFound for a workflow it does not define.
    """
    from holdwater.model.registry import registry

    place, wanted = split_target(target)
    before = set(registry.names())
    module = _import_module(place)
    if wanted:
        return wanted if registry.find(wanted) is not None else _register_attribute(module, wanted)
    new = [name for name in registry.names() if name not in before]
    if len(new) == 1:
        return new[0]
    if not require_choice:
        return ""
    if not new:
        raise CommandError(
            f"module {place!r} registers no workflow",
            hint='define one inside `with WorkflowBuilder("name"):`, or name a variable of the module, MODULE:NAME',
            code=exit_codes.NOT_FOUND,
        )
    raise CommandError(
        f"module {place!r} registers {len(new)} workflows: {', '.join(new[:20])}", hint=f"name one: {place}:{new[0]}"
    )


def load_modules(places: Sequence[str]) -> list[str]:
    """Import modules and register every workflow and named graph they hold; returns the registered names, sorted.

    Raises CommandError for a module that cannot be imported, and if there is none at all, or two of one name.
    """
    from holdwater.errors import WorkflowError
    from holdwater.model.module_workflows import register_module
    from holdwater.model.registry import registry

    for place in places:
        module = _import_module(place)
        try:
            register_module(module, registry)
        except WorkflowError as error:
            raise CommandError(error.message, hint=error.hint) from error
    if not registry.names():
        raise CommandError(
            f"{', '.join(map(repr, places))}: no workflow is defined there",
            hint='define one inside `with WorkflowBuilder("name"):`, a Workflow(name="...") or a Graph(name="...")',
            code=exit_codes.NOT_FOUND,
        )
    return list(registry.names())


def load_attribute(target: str) -> Any:
    """Import `MODULE:NAME` and return the variable.  Raises CommandError if there is none."""
    place, name = split_target(target)
    if not name:
        raise CommandError(f"{target!r} names no variable", hint="write MODULE:NAME")
    module = _import_module(place)
    if not hasattr(module, name):
        raise CommandError(f"module {place!r} has no {name!r}", code=exit_codes.NOT_FOUND)
    return getattr(module, name)


def registered_workflow(name: str) -> DrawableWorkflow:
    """Return the workflow or graph registered under a name."""
    from holdwater.model.registry import registry

    program: Any = registry.get(name)
    found: DrawableWorkflow = program.graph if program.style.name == "graphs" else program.workflow
    return found


def split_target(target: str) -> tuple[str, str]:
    """Split into module and workflow; a path and a workflow's full name may contain colons."""
    head, suffix, tail = target.partition(".py:")
    if suffix:
        return f"{head}.py", tail
    if target.endswith(".py"):
        return target, ""
    place, _, wanted = target.partition(":")
    return place, wanted


def _register_attribute(module: ModuleType, attribute: str) -> str:
    """Find a workflow or graph of a module by name; it is registered under its own name, if it has one."""
    from holdwater.model.registry import registry

    found = getattr(module, attribute, None)
    if not isinstance(found, DrawableWorkflow) or isinstance(found, type):
        raise registry.not_found_error(attribute)
    program = found.program(None if found.name else attribute)
    registry.register(program)
    return program.plan.name


def _import_module(module_or_path: str) -> ModuleType:
    """Import a module by name or path, always under a name to import it by: stored values refer to their classes."""
    from importlib import import_module

    name = module_or_path
    if module_or_path.endswith(".py"):
        path = Path(module_or_path).resolve()
        if not path.is_file():
            raise CommandError(f"there is no file {module_or_path}", code=exit_codes.NOT_FOUND)
        name = path.stem
        if "." in name:
            raise CommandError(
                f"{module_or_path} cannot be imported: a module has no dot in its name", hint="rename the file"
            )
        sys.path.insert(0, str(path.parent))
        known = sys.modules.get(name)
        if known is not None and getattr(known, "__file__", None) != str(path):
            raise CommandError(
                f"{module_or_path} cannot be imported: there is another module {name!r}", hint="rename the file"
            )
    elif os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    if not name or name.startswith("."):
        raise CommandError(
            f"{module_or_path!r} is no module", hint="write package.module:workflow or path/to/file.py:workflow"
        )
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise CommandError(
                f"there is no module {name!r}",
                hint=f"modules are looked for in {os.getcwd()} too; a path ends in .py",
                code=exit_codes.NOT_FOUND,
            ) from error
        raise _unusable_module_error(module_or_path, error) from error
    except (Exception, SystemExit) as error:
        raise _unusable_module_error(module_or_path, error) from error


def _unusable_module_error(module_or_path: str, error: BaseException) -> CommandError:
    from holdwater.errors import HoldwaterError

    where, trace = "", error.__traceback__
    while trace is not None:  # where it was raised, if that is code of the user
        file = trace.tb_frame.f_code.co_filename
        if not file.startswith("<") and Path(file).is_relative_to(Path.cwd()):
            where = f" ({os.path.relpath(file)}, line {trace.tb_lineno})"
        trace = trace.tb_next
    if isinstance(error, HoldwaterError):
        hint = error.hint or f"`holdwater --debug ...` shows the traceback; {_DEFINING_HINT}"
        return CommandError(f"module {module_or_path!r} cannot be used: {error.message}{where}", hint=hint)
    return CommandError(
        f"module {module_or_path!r} cannot be imported: {truncate(describe_error(error), 300)}{where}",
        hint="holdwater --debug ... shows the traceback",
    )
