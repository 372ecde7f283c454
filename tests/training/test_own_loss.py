"""A loss of the user's own: as ours where it is the same, else refused in one line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sweep.data.problem import Problem
from sweep.data.user_code import OwnFunction, load_function
from sweep.errors import UsageError
from sweep.plan.plan import make_plan
from sweep.spec.files import parse_spec
from sweep.spec.losses import LossSetting
from sweep.training.lanes import Lanes
from sweep.training.modules import MLP
from sweep.training.optimizers import Adam
from sweep.training.recipe import Recipe
from tests.support.plain_losses import CASES
from tests.support.problems import made_up
from tests.support.settings import setting_of

Function = Callable[[Tensor, Tensor], Tensor]


def with_own(problem: Problem, function: Function, *, fused: bool = True) -> Problem:
    own = OwnFunction("training.loss", "python:own:loss", function, "own.py")
    setting = LossSetting("own", source="python:own:loss", fused=fused)
    return replace(problem, loss=setting, own_loss=own)


def trained(problem: Problem, *, mlp: bool = True, fused: bool = True) -> tuple[Tensor, Tensor]:
    """Train two trials; return what they hold, (L, P), and their validation losses, (L,)."""
    n, C = problem.X.shape[1], problem.n_outputs

    def factory() -> nn.Module:
        plain = nn.Sequential(nn.Linear(n, 4), nn.Tanh(), nn.Linear(4, C))
        return MLP(n, [4], C, "tanh") if mlp else plain

    slots = 2 if fused else 1
    places = len(problem.replicates) if fused else 1
    lanes = Lanes(problem, factory, Recipe(Adam(), 3, 4, fused=fused), slots, places)
    settings = [setting_of(1e-3, 0.05), setting_of(1e-2, 0.02)][:slots]
    lanes.reset(range(slots), range(places), settings)
    for _ in range(3):
        lanes.train_epoch()
    return torch.cat([*lanes._params.parts], 1), lanes.validate(range(places))


def squared(outputs: Tensor, targets: Tensor) -> Tensor:
    return (outputs[:, 0] - targets).square()


def entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    logs = torch.log_softmax(outputs.mT, 0)
    return -logs.gather(0, targets[None]).squeeze(0)


def counts(outputs: Tensor, targets: Tensor) -> Tensor:
    least = targets - torch.xlogy(targets, targets)
    return outputs[:, 0].exp() - targets * outputs[:, 0] - least


@pytest.mark.parametrize("is_weighted", [False, True], ids=["", "weighted"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("name", "function", "mlp"),
    [
        ("regression", squared, True),
        ("regression", squared, False),
        ("classification", entropy, False),
        ("count", counts, False),
    ],
)
def test_it_is_the_built_in_one_bitwise_where_it_is_the_same(
    name: str, function: Function, mlp: bool, dtype: torch.dtype, is_weighted: bool
) -> None:
    problem = CASES[name].problem(weighted=is_weighted).to("cpu", dtype)
    for ours, own in zip(
        trained(problem, mlp=mlp), trained(with_own(problem, function), mlp=mlp), strict=True
    ):
        assert torch.equal(ours, own)


def test_lane_by_lane_is_the_same_as_all_at_once() -> None:
    problem = made_up("regression", replicates=((0, 0),), val_sizes=(7,))
    together = trained(with_own(problem, squared), mlp=False)
    alone = trained(with_own(problem, squared, fused=False), mlp=False, fused=False)
    for one, many in zip(alone, together, strict=True):
        torch.testing.assert_close(one, many[:1], rtol=0, atol=1e-12)


# --- refused early

HEAD = "import torch\nimport numpy as np\nfrom torch.nn import functional as F\n"
REFUSED: dict[str, tuple[str, str]] = {
    "fails": (
        "return outputs.nope",
        "made of outputs (4, 1) and targets (4,), got AttributeError: *. Mend the function",
    ),
    "a mean": (
        "return (outputs[:, 0] - targets).square().mean()",
        "one loss a row, (4,), got shape (). Leave out means over rows",
    ),
    "a column": (
        "return (outputs - targets[:, None]).square()",
        "one loss a row, (4,), got shape (4, 1). Leave out means over rows",
    ),
    "no tensor": ("return 1.0", "a tensor, got float. Mend the function"),
    "whole numbers": (
        "return (outputs[:, 0] > targets).long()",
        "finite numbers, got torch.int64. Mend the function",
    ),
    "not finite": (
        "return (outputs[:, 0] * 0).log() + targets",
        "finite numbers, got NaN or infinity. Mend the function",
    ),
    "no gradient": (
        "return (outputs.detach()[:, 0] - targets).square()",
        "differentiable by autograd, got no gradient by the outputs. Use torch's functions of"
        " outputs",
    ),
    "numpy": (
        "return torch.as_tensor(np.abs(outputs.detach().numpy()[:, 0]))",
        "differentiable by autograd, got no gradient by the outputs. Use torch's functions of"
        " outputs",
    ),
    "an endless gradient": (
        "return ((outputs[:, 0] - outputs[:, 0]).abs() + 0 * targets).sqrt()",
        "differentiable by autograd, got NaN or infinity as the gradient. Use torch's functions"
        " of outputs",
    ),
    "in place": (
        "return outputs.sub_(targets[:, None])[:, 0] ** 2",
        "made without changing what it is given, got other values in it. Use no in-place"
        " operation on them",
    ),
    "draws": (
        "return (outputs[:, 0] - targets).square() * torch.rand(1)",
        "the same whenever it is called, got two results. Draw nothing in it",
    ),
    "mixes rows": (
        "return (outputs[:, 0] - targets).square() / (1 + outputs.square().sum())",
        "of each row by itself, got other losses of the same rows beside others. Leave out means"
        " over rows",
    ),
    "not under vmap": (
        "e = outputs[:, 0] - targets\n    return e ** 2 if e.sum() > -1e9 else e.abs()",
        "batchable by torch.vmap, got RuntimeError: *. Change that line, or train one lane at a"
        " time with --set training.fused=false",
    ),
}


def plan_with(folder: Path, body: str, **training: object) -> None:
    (folder / "own.py").write_text(f"{HEAD}def loss(outputs, targets):\n    {body}\n")
    X = np.random.default_rng(0).normal(size=(40, 3))
    np.savez(folder / "a.npz", X=X, y=X.sum(1))
    make_plan(parse_spec({
        "study_name": "x", "device": "cpu",
        "data": {"source": "a.npz", "task": "regression"}, "model": {"hidden": [3]},
        "training": {"loss": "python:own:loss", **training}, "replicates": {"n_folds": 2},
    }, "x", folder))  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_loss_of_rows_is_refused_in_one_line(tmp_path: Path, case: str) -> None:
    body, message = REFUSED[case]
    with pytest.raises(UsageError) as caught:
        plan_with(tmp_path, body)
    rule, _, hint = message.rpartition(". ")
    start, _, end = f"{rule} (python:own:loss). {hint}".partition("*")
    line = str(caught.value)
    assert line.startswith(f"training.loss: the losses must be {start}"), line
    assert line.endswith(end) and "\n" not in line, line


def test_what_vmap_cannot_batch_trains_one_lane_at_a_time(tmp_path: Path) -> None:
    plan_with(tmp_path, REFUSED["not under vmap"][0], fused=False)


def test_a_function_that_is_not_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("def losses(outputs, targets): ...\n")
    with pytest.raises(UsageError, match=r"training.loss: must name a function of .*losses"):
        load_function("python:own:loss", tmp_path, "training.loss")


def test_a_loss_that_fails_later_names_its_key(tmp_path: Path) -> None:
    def late(outputs: Tensor, targets: Tensor) -> Tensor:
        raise ValueError("too late")

    problem = with_own(made_up("regression"), late)
    with pytest.raises(UsageError, match=r"^training.loss: must train on every batch, got Value"):
        trained(problem)
