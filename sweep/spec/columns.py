"""The key `data.columns`: what columns of a table are, where their cells leave a doubt."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from sweep.spec.base import Section


def _texts(value: Any) -> Any:
    """Take a text for a list of one, and a number for the text that it is in the file."""
    values = value if isinstance(value, list | tuple) else [value]
    if any(isinstance(each, bool) or not isinstance(each, str | int | float) for each in values):
        raise PydanticCustomError("texts", "Input should be a list of texts")
    return tuple(map(str, values))


Kind = Literal["drop", "categorical", "number", "day-first", "month-first"]
KINDS: tuple[str, ...] = get_args(Kind)


class ColumnSpec(Section):
    """How one column is read; a kind alone may be written without keys."""

    kind: Kind | None = Field(
        None,
        description="drop: leave the column out. categorical: every text, as it is written, is a"
        " category or a class of its own. number: read numbers, without currency or %."
        " day-first, month-first: read dates. null: as the cells say.",
    )
    decimal: Literal[".", ","] | None = Field(
        None, description="What stands before decimals. null: as the cells say."
    )
    thousands: Literal[",", ".", " ", "'"] | None = Field(
        None, description="What stands between thousands. null: as the cells say."
    )
    missing: Annotated[tuple[str, ...], BeforeValidator(_texts)] = Field(
        (),
        description="Texts that mean a missing cell, beside the empty one; among numbers NA, ?"
        " and the like mean it anyway.",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        separators = [mark for mark in (self.decimal, self.thousands) if mark is not None]
        if separators and self.kind not in (None, "number"):
            raise ValueError(
                f"kind: only numbers have separators, got {self.kind}. Remove decimal and"
                " thousands, or set kind: number"
            )
        if len(separators) > len(set(separators)):
            raise ValueError(
                f"thousands: must be another separator than decimal, got {self.thousands!r} for"
                " both. Change one of them"
            )
        return self

    @property
    def is_number(self) -> bool:
        """Whether the column is said to be numbers."""
        return self.kind == "number" or bool(self.decimal or self.thousands)

    @property
    def order(self) -> Literal["day-first", "month-first"] | None:
        """How the dates are written that the column is said to be."""
        return self.kind if self.kind in ("day-first", "month-first") else None


def _keys_of(value: Any) -> Any:
    if isinstance(value, str):
        return {"kind": value}
    if not isinstance(value, dict | ColumnSpec):
        raise PydanticCustomError("column", f"Input should be {', '.join(KINDS)} or keys")
    return value


Columns = dict[
    str,
    Annotated[ColumnSpec, BeforeValidator(_keys_of, json_schema_input_type=Kind | ColumnSpec)],
]
