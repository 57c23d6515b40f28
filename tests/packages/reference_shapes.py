"""The reference workflows of all styles, as the workflows of a package."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from holdwater.model.registry import Registry, registry
from holdwater.packages.manifests.manifest import PackageManifest
from tests.crash import graph_shapes, shapes, step_shapes
from tests.crash.forkserver import define_shape

MANIFEST: Final = PackageManifest(name="reference", version="1.0", modules=("tests.packages.reference_shapes",))
STYLES: Final = (shapes, step_shapes, graph_shapes)
SHAPES: Final = [name for style in STYLES for name in style.SHAPES]


@contextmanager
def registered_shapes(*names: str) -> Iterator[tuple[Registry, dict[str, dict[str, Any]]]]:
    """A registry with these shapes (none named: all), and what a run of each is given."""
    made, given = Registry(), {}
    for name in names or SHAPES:
        given[name] = define_shape(name)
        definition = registry.get(name)
        made.register(definition)
        registry.unregister(name)
    yield made, given
