"""`workflow_params`: the typed inputs of the workflow that is being defined."""

from __future__ import annotations

from typing import Any, NotRequired

from holdwater.errors import WorkflowError
from holdwater.model.input_declaration import InputDeclaration
from holdwater.tasks.builder import current_builder


def workflow_params(**params: Any) -> None:
    """Declare inputs of the workflow of the enclosing block or package: `day=str`, or with a default `n=(int, 3)`.

    They are keys of its initial context.  A run that is not given one without a default is refused.
    Raises WorkflowError outside of a workflow, and for a tuple that is no pair.
    """
    annotations, defaults = {}, {}
    for name, declared in params.items():
        if not isinstance(declared, tuple):
            annotations[name] = declared
        elif len(declared) == 2:
            annotations[name], defaults[name] = NotRequired[declared[0]], declared[1]
        else:
            raise WorkflowError(f"parameter {name!r} is a type, or a type and a default, not {declared!r:.80}")
    current_builder().declare_inputs(InputDeclaration(annotations, defaults))
