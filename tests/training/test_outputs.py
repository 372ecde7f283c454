"""What forward() returns is read in one place, and one line says what cannot be."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import pytest
import torch

from sweep.errors import UsageError
from sweep.training.outputs import how_to_read, read_outputs

OUT = torch.arange(12.0).view(4, 3)


@pytest.mark.parametrize(
    ("returned", "key", "read"),
    [
        (OUT, None, ""),
        (OUT[:, 0], None, "[:, None]"),
        ((OUT, "more"), None, "[0]"),
        ([OUT[:, 0]], None, "[0][:, None]"),
        ({"logits": OUT}, "logits", "['logits']"),
        (OrderedDict(x=1, logits=OUT[:, 0]), "logits", "['logits'][:, None]"),
    ],
)
def test_outputs_are_found_in_what_forward_returns(
    returned: Any, key: str | None, read: str
) -> None:
    out = read_outputs(returned, key)
    assert out.ndim == 2
    assert torch.equal(out.flatten(), OUT[:, : out.shape[1]].flatten())
    assert how_to_read(returned, key) == read
    assert torch.equal(out, eval(f"returned{read}"))


@pytest.mark.parametrize(
    ("returned", "key", "message"),
    [
        (None, None, "model output: must be one tensor, got NoneType. Mend forward()"),
        ((), None, "model output: must be one tensor, got tuple. Mend forward()"),
        (
            {"a": OUT, "b": OUT},
            None,
            "model.output: must name what forward() returns, got none. Use one of a, b",
        ),
        (
            {"a": OUT, "b": OUT},
            "c",
            "model.output: must name what forward() returns, got 'c'. Use one of a, b",
        ),
        (
            (OUT,),
            "a",
            "model.output: must be left out where forward() returns no dict, got 'a' and a tuple."
            " Remove the key",
        ),
    ],
)
def test_what_has_no_outputs_is_refused(returned: Any, key: str | None, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_outputs(returned, key)
    assert str(caught.value) == message
