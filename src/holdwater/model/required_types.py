"""Classes and registered types that another process needs to decode values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from holdwater.model import codec
from holdwater.model.value_types import class_names, custom_types
from holdwater.model.value_types.custom_types import TypeRegistration


def required_types(texts: Iterable[str]) -> Iterator[type | TypeRegistration]:
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
