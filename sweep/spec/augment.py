"""The key `training.augment`: how training rows are changed at every step."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from sweep.spec.base import Section

Kind = Literal["flip", "crop", "noise", "mixup"]
OF_IMAGES = ("flip", "crop")


class AugmentSpec(Section):
    """One change of the rows of a step."""

    type: Kind = Field(
        description="flip: mirrors every other image, left to right. crop: moves images by up to"
        " pad pixels, with zeros behind. noise: adds normal noise. mixup: mixes each row and its"
        " loss with another row's of the step, with one share for all."
    )
    pad: Annotated[int, Field(ge=1, le=10**4)] | None = Field(
        None, description="Pixels that an image moves at most. null: 1. Only with type crop."
    )
    std: Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)] | None = Field(
        None,
        description="Deviation of the noise, of rows as data.scale leaves them. null: 0.1. Only"
        " with type noise.",
    )
    alpha: Annotated[float, Field(gt=1e-3, le=1e3, allow_inf_nan=False)] | None = Field(
        None,
        description="The share is drawn from Beta(alpha, alpha). null: 0.2. Only with type mixup.",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name, kind in (("pad", "crop"), ("std", "noise"), ("alpha", "mixup")):
            if self.type != kind and (value := getattr(self, name)) is not None:
                raise ValueError(
                    f"{name}: only type {kind} has it, got {value} with {self.type}. Remove it"
                )
        return self


def _form(value: Any) -> str:
    return "in keys" if isinstance(value, dict | AugmentSpec) else "in a word"


def _each_once(given: tuple[Any, ...]) -> tuple[Any, ...]:
    kinds = [each.type for each in augmentations_of(given)]
    for kind in kinds:
        if kinds.count(kind) > 1:
            raise PydanticCustomError("once", "each of flip, crop, noise, mixup once")
    return given


Augment = Annotated[
    tuple[
        Annotated[
            Annotated[Kind, Tag("in a word")] | Annotated[AugmentSpec, Tag("in keys")],
            Discriminator(_form),
        ],
        ...,
    ],
    AfterValidator(_each_once),
]


def augmentations_of(given: tuple[Kind | AugmentSpec, ...] | None) -> tuple[AugmentSpec, ...]:
    """Return the changes, each given in a word or in keys, in keys."""
    return tuple(
        each if isinstance(each, AugmentSpec) else AugmentSpec(type=each) for each in given or ()
    )
