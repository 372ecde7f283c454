"""Networks run as one give what each gives alone, and those that cannot be are refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sweep.errors import UsageError
from sweep.training.layout import Layout
from sweep.training.modules import MLP, build
from sweep.training.vmapped import Stacked, check_model, stack_buffers
from tests.support.networks import Tied
from tests.support.problems import generator

ROWS = torch.randn(4, 5, generator=generator(1))


def test_stacked_networks_give_each_lane_its_own_output() -> None:
    modules = [build(lambda: MLP(5, [6], 3, "relu"), seed) for seed in range(3)]
    layout = Layout.of(modules[0])
    want = torch.stack([module(ROWS) for module in modules]).detach()
    tensors = layout.views(layout.flat(torch.stack([layout.row(module) for module in modules])))
    stacked = Stacked(modules[0])
    torch.testing.assert_close(stacked.evaluate_shared(tensors, ROWS), want)
    torch.testing.assert_close(stacked.evaluate(tensors, ROWS.expand(3, 4, 5)), want)
    torch.testing.assert_close(stacked.train(tensors, ROWS.expand(3, 4, 5)), want)


def test_a_buffer_of_each_network_is_stacked() -> None:
    modules = [nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)) for _ in range(2)]
    modules[1].get_buffer("1.running_mean").fill_(5)
    buffers = stack_buffers(modules)
    assert buffers["1.running_mean"].tolist() == [[0.0] * 3, [5.0] * 3]
    assert buffers["1.num_batches_tracked"].tolist() == [0, 0]


# --- what cannot be trained, or not fused


class Forward(nn.Module):
    """A linear layer, then whatever is asked for."""

    def __init__(self, then: Callable[[Tensor], Any]):
        super().__init__()
        self.linear, self.then = nn.Linear(5, 3), then

    def forward(self, x: Tensor) -> Any:
        return self.then(self.linear(x))


def assign(x: Tensor) -> Tensor:
    out = torch.zeros(x.shape[0], 3)
    out[:] = x
    return out


def fail(x: Tensor) -> Tensor:
    raise RuntimeError("first line of it\nsecond line")


def refusal(factory: Callable[[], nn.Module], *, fused: bool = True) -> str:
    with pytest.raises(UsageError) as caught:
        check_model(factory, ROWS, 3, fused=fused)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    "then",
    [
        lambda x: x if x.sum() > 0 else -x,
        lambda x: x * x.mean().item(),
        assign,
    ],
    ids=["if", "item", "in-place"],
)
def test_networks_that_vmap_cannot_batch_are_refused_in_one_line_with_a_way_out(
    then: Callable[[Tensor], Tensor],
) -> None:
    message = refusal(lambda: Forward(then))
    assert message.startswith("model: must be batchable by torch.vmap, got ")
    assert message.endswith("--set training.fused=false")
    check_model(lambda: Forward(then), ROWS, 3, fused=False)


@pytest.mark.parametrize("fused", [True, False])
def test_another_width_than_the_targets_is_refused(fused: bool) -> None:
    message = refusal(lambda: nn.Linear(5, 4), fused=fused)
    assert message == (
        "model output: must be (rows, 3), got (4, 4) for 4 rows. Give the last layer 3 outputs"
    )


def steps_first(x: Tensor) -> Tensor:
    return x[:, :3].T.expand(3, len(x))


@pytest.mark.parametrize(
    ("then", "got", "hint"),
    [
        (steps_first, "(3, 4)",
         "Return one for every row: layers of sequences need batch_first=True"),
        (lambda x: x[:, None, :3], "(4, 1, 3)",
         "Give one step's output, or flatten what is behind the rows"),
    ],
)  # fmt: skip
def test_outputs_of_another_form_are_refused_with_what_to_do(
    then: Callable[[Tensor], Tensor], got: str, hint: str
) -> None:
    message = refusal(lambda: Forward(then))
    assert message == f"model output: must be (rows, 3), got {got} for 4 rows. {hint}"


@pytest.mark.parametrize("fused", [True, False])
def test_a_network_that_cannot_read_the_rows_is_refused(fused: bool) -> None:
    message = refusal(lambda: nn.Linear(6, 3), fused=fused)
    assert message.startswith(
        "model: must accept rows of shape (5,) on device cpu, got RuntimeError: "
    )


def test_a_network_that_crashes_is_refused_with_the_first_line_of_its_error() -> None:
    message = refusal(lambda: Forward(fail))
    assert "RuntimeError: first line of it. Mend forward()" in message


@pytest.mark.parametrize("factory", [nn.Identity, lambda: nn.Linear(5, 3).requires_grad_(False)])
def test_a_network_with_nothing_to_train_is_refused(factory: Callable[[], nn.Module]) -> None:
    assert refusal(factory).startswith("model: must have trainable parameters, got none. Leave")


@pytest.mark.parametrize(
    "factory",
    [
        Tied,
        lambda: nn.Sequential(
            nn.Linear(5, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 3)
        ),
        lambda: nn.Sequential(nn.Unflatten(1, (1, 5)), nn.Conv1d(1, 3, 5), nn.Flatten()),
    ],
    ids=["tied", "norm and dropout", "convolution"],
)
def test_ordinary_networks_are_accepted(factory: Callable[[], nn.Module]) -> None:
    check_model(factory, ROWS, 3, fused=True)
    check_model(factory, ROWS, 3, fused=False)
