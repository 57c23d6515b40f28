"""Cache keys: a digest of the code a node executes and of its inputs.

The names of the inputs and of the parameters they belong to are part of a key, the name of the node is not.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, Protocol

from holdwater.fingerprint.deep import Fingerprint, deep_fingerprint
from holdwater.fingerprint.packages import home_package
from holdwater.fingerprint.values import Unfingerprintable
from holdwater.model.error_report import describe_error

_KEY_FORMAT: Final = f"holdwater cache 2, Python {sys.version_info.major}.{sys.version_info.minor}"
_GATE_RULE_ATTRIBUTES: Final = ("targets", "multi_target", "fallback", "classes")
"""attributes of a gate that turn the value of its function into a decision"""


class CacheableNode(Protocol):
    """The attributes of a node that a key reads.  A node without `func` is a nested graph."""

    @property
    def name(self) -> str: ...

    @property
    def cache(self) -> bool: ...

    @property
    def is_interrupt(self) -> bool: ...

    @property
    def is_gate(self) -> bool: ...

    def param(self, name: str) -> str:
        """Return the name of the parameter an input belongs to.  Raises KeyError for an unknown input."""


@dataclass(frozen=True, slots=True)
class CacheKey:
    """The key of one execution.

    `hex_digest`: 64 hex digits.  `log_topic`: the topic of the miss log under which executions of one node are
    compared.  `gate_rules`: digest of the attributes that turn a gate's value into a decision.
    """

    hex_digest: str
    log_topic: str
    code: Fingerprint
    gate_rules: str
    input_digests: Mapping[str, str]
    """input name -> digest of its parameter and value"""


@dataclass(frozen=True, slots=True)
class Uncacheable:
    """An execution that has no key, and the reason."""

    reason: str


def cache_key(node: CacheableNode, inputs: Mapping[str, Any]) -> CacheKey | Uncacheable:
    """Compute the key of an execution.  `inputs`: values by current name, used defaults included."""
    function: Callable[..., Any] | None = getattr(node, "func", None)
    if not node.cache:
        return Uncacheable(f"{node.name} is not declared with cache=True")
    if node.is_interrupt:
        return Uncacheable(f"{node.name} is an interrupt: an answer is given once")
    if function is None:
        return Uncacheable(f"{node.name} is a nested graph: its nodes are cached one by one")
    home = home_package(function)
    try:
        parameters = {name: node.param(name) for name in sorted(inputs)}
    except KeyError as error:
        return Uncacheable(f"{node.name} has no input {error}")
    try:
        code = deep_fingerprint(function, home)
        rules = deep_fingerprint(
            [getattr(node, rule, None) for rule in _GATE_RULE_ATTRIBUTES] if node.is_gate else None, home
        )
        digests = {name: _input_digest(name, parameter, inputs[name], home) for name, parameter in parameters.items()}
    except Unfingerprintable as error:
        return Uncacheable(error.reason)
    except Exception as error:  # noqa: BLE001 - code of users runs when their objects are read
        return Uncacheable(f"what {node.name} depends on cannot be read ({describe_error(error)})")
    whole = sha256(_KEY_FORMAT.encode() + code.digest + sha256(rules.digest).digest())
    for name, digest in digests.items():
        whole.update(sha256(name.encode("utf-8", "surrogatepass")).digest() + bytes.fromhex(digest))
    return CacheKey(whole.hexdigest(), f"{home}:{node.name}", code, rules.digest.hex(), digests)


def _input_digest(name: str, parameter: str, value: object, home: str) -> str:
    try:
        content = deep_fingerprint(value, home).digest
    except Unfingerprintable as error:
        raise error.within(f"input {name}") from error
    return sha256(parameter.encode("utf-8", "surrogatepass") + b"\0" + content).hexdigest()
