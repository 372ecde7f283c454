"""What torch tests its own modules on: lanes give what each module gives alone."""

from __future__ import annotations

import pytest
import torch

from sweep.errors import UsageError
from sweep.training.vmapped import check_model
from tests.support.problems import generator
from tests.support.side_by_side import gap
from tests.support.torch_modules import MODULES, samples

WHY_NOT = {
    "nn.FractionalMaxPool2d": "called random operation",
    "nn.FractionalMaxPool3d": "called random operation",
}  # 7 of 582
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # that a way of torch's is slow
FAST = ("nn.Linear", "nn.LSTM", "nn.BatchNorm1d")


@pytest.mark.parametrize(
    "name", [n if n in FAST else pytest.param(n, marks=pytest.mark.slow) for n in MODULES]
)
def test_a_module_of_torch_in_lanes_gives_what_it_gives_alone(name: str) -> None:
    for sample in samples(MODULES[name]):
        rows = torch.rand(3, 5, sample.width, generator=generator(1), dtype=torch.float64)
        if name in WHY_NOT:
            with pytest.raises(UsageError, match=WHY_NOT[name]):
                check_model(sample.make, rows[0, :4].float(), 3, fused=True)
            continue
        check_model(sample.make, rows[0, :4].float(), 3, fused=True)
        assert gap(sample.make, rows, in_training=not sample.draws) < 1e-9, sample.name


@pytest.mark.slow
def test_nearly_all_of_them_train_fused() -> None:
    each = {name: len(list(samples(info))) for name, info in MODULES.items()}
    assert sum(each.values()) > 550
    assert sum(each[name] for name in WHY_NOT) <= 0.03 * sum(each.values())
