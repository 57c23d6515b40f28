"""pydantic models of every sort.  Import only where pydantic is there."""

from __future__ import annotations

import datetime as dt
from functools import cached_property
from typing import Any, Generic, TypeVar

import pydantic
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, PrivateAttr, RootModel

from tests.model.sample_values import Frozen, Plain, Right, build_with_attributes

T = TypeVar("T")


class Alias(BaseModel):
    user_id: Any = Field(alias="userId")
    other: Any = Field(default=1, validation_alias=AliasChoices("o1", "o2"), serialization_alias="out")


class Generated(BaseModel):
    model_config = ConfigDict(alias_generator=str.upper, extra="forbid")
    name: Any


class Excluded(BaseModel):
    a: Any
    secret: Any = Field(default="", exclude=True)


class Computed(BaseModel):
    model_config = ConfigDict(extra="forbid")
    a: Any

    @pydantic.computed_field  # type: ignore[prop-decorator, unused-ignore]
    @property
    def double(self) -> Any:
        return [self.a] * 2

    @pydantic.computed_field  # type: ignore[prop-decorator, unused-ignore]
    @cached_property
    def cached(self) -> Any:
        return [self.a]


class Restless(BaseModel):
    """What its validators make of a value they do again at each look."""

    parts: Any

    @pydantic.field_validator("parts", mode="before")
    @classmethod
    def more(cls, v: Any) -> Any:
        return [v]

    @pydantic.model_validator(mode="after")
    def again(self) -> Restless:
        object.__setattr__(self, "parts", [*self.parts, "after"])
        return self


class Serialized(BaseModel):
    when: Any

    @pydantic.field_serializer("when")
    def shown(self, v: Any) -> str:
        return "shown"

    @pydantic.model_serializer(mode="wrap")
    def all_(self, handler: Any) -> Any:
        return "everything"


class Animal(BaseModel):
    name: Any


class Dog(Animal):
    bark: Any = "w"


class Cat(BaseModel):
    name: Any


class Zoo(BaseModel):
    pets: list[Animal] = []
    either: Cat | Animal | None = None
    anything: Any = None


class Private(BaseModel):
    a: Any
    _p: Any = PrivateAttr(default=0)
    _unset: Any = PrivateAttr()

    def model_post_init(self, context: Any) -> None:
        self._p = [self._p]


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    a: Any = 0


class Stiff(BaseModel):
    model_config = ConfigDict(frozen=True)
    a: Any


class Whole(RootModel[Any]):
    pass


class Holder(BaseModel, Generic[T]):
    item: T


class IntHolder(Holder[int]):
    pass


Holder[str]  # pydantic keeps it in the module


class Checked(BaseModel):
    model_config = ConfigDict(validate_assignment=True)
    at: dt.date = Field(gt=dt.date(2000, 1, 1))


@pydantic.dataclasses.dataclass
class Dressed:
    n: Any
    m: Any = 1


_Dressed: Any = Dressed


class OddTable(BaseModel):
    rows: Any = ()
    right: Right = Right.READ


def nested(leaf: Any) -> list[Any]:
    """One model of every sort with the value inside."""
    private = Private(a=leaf)
    private._unset = leaf
    computed = Computed(a=leaf)
    assert computed.cached
    wrong = Checked(at=dt.date(2026, 1, 1))
    wrong.__dict__["at"] = leaf
    return [
        Alias(userId=leaf, o1=leaf), Generated(NAME=leaf), Excluded(a=1, secret=leaf), computed, Restless(parts=leaf),
        Serialized(when=leaf), Zoo(pets=[Dog(name=leaf, bark=leaf)], either=Cat(name=leaf), anything=Dog(name=leaf)),
        Zoo(anything=Plain(leaf)), private, Private(a=leaf), Open(a=leaf, more=leaf, b=1), Stiff(a=leaf), Whole(leaf),
        Holder(item=leaf), IntHolder(item=1), Holder[str](item="x"), wrong, _Dressed(leaf),
        OddTable(rows=[Frozen(leaf)]),
        Zoo.model_construct(pets=leaf), build_with_attributes(lambda: Animal(name=leaf), name=[leaf]),
    ]  # fmt: skip
