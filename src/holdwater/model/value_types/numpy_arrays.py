"""numpy: scalars and arrays, by their bytes."""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64
from typing import Any, Final

import numpy as np

from holdwater.errors import DecodingError
from holdwater.model.value_types.tag import TAG, NotStorable, ReviveFunction, Tree, ValueWriter, WriteFunction

_PADDED_TYPES: Final = (np.longdouble, np.clongdouble)


def find_writer(kind: type) -> WriteFunction | None:
    """Exactly `numpy.ndarray`, and numpy's own scalar types."""
    if kind is np.ndarray:
        return _write_array
    return _write_scalar if issubclass(kind, np.generic) else None


def _write_scalar(value: Any, writer: ValueWriter) -> Tree:
    kind = type(value)
    if kind is np.str_ or kind is np.bytes_:  # a dtype has no room for zeros at their end
        plain = writer.write(str.__str__(value) if kind is np.str_ else bytes.__getitem__(value, slice(None)))
        return {TAG: "numpy", "k": kind.__name__, "v": plain}
    if value.dtype.type is not kind:
        raise NotStorable(f"is of the class {kind.__qualname__}, a subclass of one of numpy's", "store value.item()")
    writer.needs_verification = True
    return {TAG: "numpy", "d": _dtype_descr(value.dtype), "v": _to_base64(value.tobytes())}


def _write_array(value: Any, writer: ValueWriter) -> Tree:
    writer.needs_verification = True
    return array_tree(value) if value.flags.writeable else {**array_tree(value), "r": True}


def array_tree(value: Any) -> dict[str, Any]:
    """An array that can be written to.  Raises Refused."""
    columns = value.flags.f_contiguous and not value.flags.c_contiguous
    order = "F" if columns else "C"
    descr = _dtype_descr(value.dtype)  # first: the bytes of objects are addresses
    data = _to_base64(value.tobytes(order))
    return {TAG: "numpy", "d": descr, "s": list(value.shape), "o": order, "v": data}


def _to_base64(data: bytes) -> str:
    return b2a_base64(data, newline=False).decode("ascii")


def _dtype_descr(dtype: np.dtype[Any]) -> Tree:
    """A dtype as `numpy.save` writes it.  Raises Refused for one that this does not bring back."""
    if (
        dtype.hasobject
        or dtype.itemsize == 0
        or issubclass(dtype.type, _PADDED_TYPES)
        or dtype.kind not in "biufcmMSUV"
    ):
        raise NotStorable(
            f"is of numpy's dtype {dtype}, which cannot be stored",
            "store value.tolist()" if dtype.kind in "OT" else "convert it with astype() first",
        )
    for descr in (dtype.str, dtype.char) if dtype.names is None else (np.lib.format.dtype_to_descr(dtype),):
        again = _parse_dtype(descr)
        if again == dtype and again.type is dtype.type and repr(again) == repr(dtype) and not dtype.metadata:
            return descr
    raise NotStorable(f"is of numpy's dtype {dtype!r}, which cannot be stored", "convert it with astype() first")


def _parse_dtype(descr: Tree) -> np.dtype[Any]:
    return np.dtype(descr) if type(descr) is str else np.lib.format.descr_to_dtype(_restore_tuples(descr))


def _restore_tuples(descr: Tree) -> Any:
    """Fields are a list of tuples: JSON has made lists of both."""
    if type(descr) is not list:
        return descr
    if descr and all(type(field) in (list, tuple) for field in descr):
        return [
            (_restore_title(name), _restore_tuples(inner), *[tuple(s) for s in shape]) for name, inner, *shape in descr
        ]
    return tuple(_restore_tuples(x) for x in descr)


def _restore_title(name: Any) -> Any:
    return tuple(name) if type(name) is list else name


def read_numpy(tree: dict[str, Any], revive: ReviveFunction) -> Any:
    """A scalar, or an array that owns its memory."""
    kind = tree.get("k")
    if kind is not None:
        return {"str_": np.str_, "bytes_": np.bytes_}[kind](revive(tree["v"]))
    dtype, data = _parse_dtype(tree["d"]), bytearray(a2b_base64(tree["v"]))
    if dtype.hasobject:
        raise DecodingError("stored array has a dtype of objects")
    if "s" not in tree:
        return np.frombuffer(data, dtype)[0]
    shape, order = tuple(tree["s"]), tree["o"]
    if not data:
        made = np.empty(shape, dtype, order)
        if made.nbytes:
            raise DecodingError("stored array has no data")
    else:
        made = np.frombuffer(data, dtype).reshape(shape, order=order).copy(order="K")
    if tree.get("r"):
        made.flags.writeable = False
    return made
