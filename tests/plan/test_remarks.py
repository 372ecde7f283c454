"""What is remarked on a network: of each architecture all that is true of it, and nothing else."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from sweep.data.dataset import Dataset, load_dataset
from sweep.data.problem import make_problem
from sweep.errors import UsageError
from sweep.plan.remarks import network_remarks
from sweep.spec.files import parse_spec
from sweep.spec.remarks import Remark
from sweep.training.layout import Layout
from sweep.training.modules import build
from tests.support.architectures import (
    Apply,
    Attention,
    Cosine,
    Counting,
    FewRowsOnly,
    FrozenBatchNorm,
    LinearNormByName,
    NormalizedLinear,
    Permuted,
    Recurrent,
    Residual,
    Scale,
    SoftmaxInEval,
    Table,
    Tokens,
    conv,
    deep,
    mean,
    seq,
    tokens_of,
    zeroed,
)

Make = Callable[[], nn.Module]
Said = dict[str, str]  # of each kind what it is about

# Of six features, or of images (1, 8, 8), in three classes.
ARCHITECTURES: dict[str, tuple[Make, Said]] = {
    "mlp": (lambda: seq(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3)), {}),
    "linear": (lambda: nn.Linear(6, 3), {}),
    "batch norm": (
        lambda: seq(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 3)),
        {"scale_free": "0.weight"},
    ),
    "activation, then batch norm": (
        lambda: seq(nn.Linear(6, 5), nn.ReLU(), nn.BatchNorm1d(5), nn.Linear(5, 3)),
        {"scale_free": "0.weight"},
    ),
    "dropout, then batch norm": (
        lambda: seq(nn.Linear(6, 5), nn.Dropout(0.3), nn.BatchNorm1d(5), nn.Linear(5, 3)),
        {"scale_free": "0.weight"},
    ),
    "noise of its own, then batch norm": (
        lambda: seq(nn.Linear(6, 5), Apply(lambda x: x * torch.rand_like(x)), nn.BatchNorm1d(5),
                    nn.Linear(5, 3)),
        {"scale_free": "0.weight"},
    ),
    "tanh, then batch norm": (
        lambda: seq(nn.Linear(6, 5), nn.Tanh(), nn.BatchNorm1d(5), nn.Linear(5, 3)), {},
    ),
    "two layers, then batch norm": (
        lambda: seq(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 5), nn.BatchNorm1d(5),
                    nn.Linear(5, 3)),
        {"scale_free": "0.weight 2.weight"},
    ),
    "batch norm of a large eps": (
        lambda: seq(nn.Linear(6, 5), nn.BatchNorm1d(5, eps=1e-2), nn.ReLU(), nn.Linear(5, 3)),
        {"scale_free": "0.weight"},
    ),
    "batch norm of an eps beyond the variance": (
        lambda: seq(nn.Linear(6, 5), nn.BatchNorm1d(5, eps=1), nn.ReLU(), nn.Linear(5, 3)), {},
    ),
    "layer norm": (
        lambda: seq(nn.Linear(6, 5), nn.LayerNorm(5), nn.ReLU(), nn.Linear(5, 3)),
        {"scale_free": "0.weight"},
    ),
    "two layers of biases 0, then layer norm": (
        lambda: seq(nn.Linear(6, 5), nn.ReLU(), zeroed(nn.Linear(5, 5), "bias"), nn.LayerNorm(5),
                    nn.Linear(5, 3)),
        {"scale_free": "2.weight"},
    ),
    "a layer that begins at 0, then layer norm": (
        lambda: seq(zeroed(nn.Linear(6, 5)), nn.LayerNorm(5), nn.Linear(5, 3)),
        {"scale_free": "0.weight"},
    ),
    "rms norm": (
        lambda: seq(nn.Linear(6, 5), nn.RMSNorm(5), nn.ReLU(), nn.Linear(5, 3)),
        {"scale_free": "0.weight"},
    ),
    "norm at the end": (
        lambda: seq(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3), nn.LayerNorm(3)),
        {"scale_free": "2.weight"},
    ),
    "norm before the layer": (
        lambda: seq(nn.LayerNorm(6), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3)), {},
    ),
    "batch norm before the layer": (
        lambda: seq(nn.BatchNorm1d(6), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3)), {},
    ),
    "frozen batch norm": (
        lambda: seq(nn.Linear(6, 5), FrozenBatchNorm(5), nn.ReLU(), nn.Linear(5, 3)), {},
    ),
    "residual, then norm": (
        lambda: seq(Residual(nn.Linear(6, 6)), nn.LayerNorm(6), nn.Linear(6, 3)), {},
    ),
    "norm in a residual branch that begins at 0": (
        lambda: seq(Residual(nn.Linear(6, 6), zeroed(nn.BatchNorm1d(6))), nn.Linear(6, 3)),
        {"scale_free": "0.branch.0.weight"},
    ),
    "residual branch that hardly counts": (
        lambda: seq(Residual(nn.Linear(6, 6), Scale(6, size=1e-6)), nn.Linear(6, 3)), {},
    ),
    "residual branch that hardly counts by a number of its own": (
        lambda: seq(Residual(nn.Linear(6, 6), Apply(lambda x: 1e-5 * x)), nn.Linear(6, 3)), {},
    ),
    "pre-norm transformer": (
        lambda: seq(
            tokens_of(4), Residual(nn.LayerNorm(4), Attention(4)),
            Residual(nn.LayerNorm(4), nn.Linear(4, 8), nn.GELU(), nn.Linear(8, 4)),
            nn.LayerNorm(4), mean(), nn.Linear(4, 3),
        ),
        {},
    ),
    "post-norm transformer": (
        lambda: seq(
            tokens_of(4), Residual(Attention(4)), nn.LayerNorm(4),
            Residual(nn.Linear(4, 8), nn.GELU(), nn.Linear(8, 4)), nn.LayerNorm(4),
            mean(), nn.Linear(4, 3),
        ),
        {},
    ),
    "torch's attention": (
        lambda: seq(tokens_of(4), nn.TransformerEncoderLayer(4, 2, 8), mean(), nn.Linear(4, 3)),
        {},
    ),
    "recurrent": (lambda: Recurrent(3), {}),
    "cnn": (lambda: seq(*conv(), nn.Linear(16, 3)), {}),
    "cnn, batch norm": (
        lambda: seq(*conv(nn.BatchNorm2d(4)), nn.Linear(16, 3)), {"scale_free": "0.weight"},
    ),
    "cnn, group norm": (
        lambda: seq(*conv(nn.GroupNorm(2, 4)), nn.Linear(16, 3)), {"scale_free": "0.weight"},
    ),
    "cnn, instance norm": (
        lambda: seq(*conv(nn.InstanceNorm2d(4, affine=True)), nn.Linear(16, 3)),
        {"scale_free": "0.weight"},
    ),
    "cnn, norm of images": (
        lambda: seq(nn.LayerNorm([1, 8, 8]), *conv(), nn.Linear(16, 3)),
        {"spared": "0.weight 0.bias"},
    ),
    "cnn, scale of channels": (
        lambda: seq(*conv(Scale(4, 1, 1)), nn.Linear(16, 3)),
        {"spared": "1.scale 1.shift"},
    ),
    "scale and shift": (lambda: seq(nn.Linear(6, 5), Scale(5), nn.Linear(5, 3)), {}),
    "weights that are normalised": (
        lambda: seq(NormalizedLinear(6, 5), nn.ReLU(), nn.Linear(5, 3)),
        {"scale_free": "0.weight"},
    ),
    "a layer that is called a norm": (
        lambda: seq(LinearNormByName(6, 5), nn.ReLU(), nn.Linear(5, 3)), {},
    ),
    "weight norm": (
        lambda: seq(parametrizations.weight_norm(nn.Linear(6, 5)), nn.ReLU(), nn.Linear(5, 3)),
        {"scale_free": "0.parametrizations.weight.original1"},
    ),
    "spectral norm": (
        lambda: seq(parametrizations.spectral_norm(nn.Linear(6, 5)), nn.ReLU(), nn.Linear(5, 3)),
        {"scale_free": "0.parametrizations.weight.original"},
    ),
    "cosines": (
        lambda: seq(nn.Linear(6, 5), nn.ReLU(), Cosine(5, 3)), {"scale_free": "0.weight 2.weight"},
    ),
    "embedding": (lambda: Tokens(3, tied=False), {"embeddings": "table.weight"}),
    "tied embedding": (lambda: Tokens(3, tied=True), {"embeddings": "table.weight"}),
    "table of its own": (lambda: Table(3), {"embeddings": "table"}),
    "weights in another order": (lambda: Permuted(6, 3), {}),
    "scale of two dimensions": (
        lambda: seq(nn.Linear(6, 5), Scale(1, 5), nn.Linear(5, 3)), {"scales": "1.scale"},
    ),
    "relu at the end, all dead": (
        lambda: seq(nn.Linear(6, 3), Apply(lambda x: torch.relu(-1e9 - x))), {},
    ),
    "softmax": (lambda: seq(nn.Linear(6, 3), nn.Softmax(-1)), {"softmax": ""}),
    "softmax in evaluation": (lambda: SoftmaxInEval(6, 3), {"softmax": ""}),
    "softmax of twenty layers": (lambda: deep(3, nn.Softmax(-1)), {"softmax": ""}),
    "twenty layers": (lambda: deep(3), {}),
    "sigmoid": (lambda: seq(nn.Linear(6, 3), nn.Sigmoid()), {"squashed": "0 to 1"}),
    "sigmoid of twenty layers": (lambda: deep(3, nn.Sigmoid()), {"squashed": "0 to 1"}),
    "tanh": (lambda: seq(nn.Linear(6, 3), nn.Tanh()), {"squashed": "-1 to 1"}),
    "log softmax": (lambda: seq(nn.Linear(6, 3), nn.LogSoftmax(-1)), {}),
    "outputs that are small": (lambda: seq(nn.Linear(6, 3), Apply(lambda x: 1e-4 * x)), {}),
    "a network that counts its calls, and batch norm": (
        lambda: seq(nn.Linear(6, 5), nn.BatchNorm1d(5), Counting(), nn.Linear(5, 3)),
        {"scale_free": "0.weight"},
    ),
    "softcap": (lambda: seq(nn.Linear(6, 3), Apply(lambda x: 30 * torch.tanh(x / 30))), {}),
    "outputs that begin at 0": (lambda: seq(nn.Linear(6, 5), zeroed(nn.Linear(5, 3))), {}),
    "norm and softmax": (
        lambda: seq(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.Linear(5, 3), nn.Softmax(-1)),
        {"scale_free": "0.weight", "softmax": ""},
    ),
    "a network that fails on many rows": (lambda: FewRowsOnly(6, 3), {}),
    "a network of NaN": (lambda: seq(nn.Linear(6, 3), Apply(lambda x: x * torch.nan)), {}),
}  # fmt: skip
STUDY: dict[str, Any] = {
    "study_name": "x", "data": {"source": "rows.npz"}, "model": {"source": "python:own:make"},
    "replicates": {"n_folds": 2},
}  # fmt: skip


def dataset(folder: Path, *shape: int, task: str = "classification") -> Dataset:
    X = np.random.default_rng(0).normal(size=(60, *shape))
    y = np.arange(60) % 3 if task == "classification" else X.reshape(60, -1).sum(1)
    np.savez(folder / "rows.npz", X=X, y=y)
    spec = parse_spec({**STUDY, "data": {"source": "rows.npz", "task": task}}, "x", folder)
    return load_dataset(spec.data, folder, 0)


def remarks(folder: Path, make: Make, *shape: int, **tree: Any) -> tuple[Remark, ...]:
    tree = {**STUDY, **tree}
    rows = dataset(folder, *shape, task=tree["data"].get("task", "classification"))
    spec = parse_spec(tree, "x", folder)
    module = build(make, 0)
    layout = Layout.of(module, spec.penalty.exempt, spec.penalty.include)
    return network_remarks(spec, rows, make_problem(spec, rows), layout, module)


def about(found: tuple[Remark, ...]) -> Said:
    return {remark.kind: " ".join(remark.about) for remark in found}


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_of_each_architecture_all_is_said_and_nothing_else(tmp_path: Path, name: str) -> None:
    make, said = ARCHITECTURES[name]
    shape = (1, 8, 8) if name.startswith("cnn") else (6,)
    assert about(remarks(tmp_path, make, *shape)) == said


def test_what_the_user_asked_for_is_not_remarked(tmp_path: Path) -> None:
    make = ARCHITECTURES["cnn, norm of images"][0]
    for penalty, said in (
        ({"exempt": ["0.*"]}, {}),
        ({"exempt": ["0.weight"]}, {"spared": "0.bias"}),
        ({"include": ["0.*"]}, {}),
    ):
        assert about(remarks(tmp_path, make, 1, 8, 8, penalty=penalty)) == said
    make = ARCHITECTURES["scale of two dimensions"][0]
    assert remarks(tmp_path, make, 6, penalty={"include": ["1.scale"]}) == ()
    make = ARCHITECTURES["batch norm"][0]
    l1 = remarks(tmp_path, make, 6, penalty={"norm": "l1"})
    assert about(l1) == {"scale_free_l1": "0.weight"}
    assert remarks(tmp_path, make, 6, penalty={"exempt": ["0.*"]}) == ()
    make = ARCHITECTURES["embedding"][0]
    assert remarks(tmp_path, make, 6, penalty={"exempt": ["table.*"]}) == ()


def test_a_last_batch_of_one_row_is_minded_where_the_network_takes_none(tmp_path: Path) -> None:
    """A training of the search has 24 rows, a refit 48."""
    make, other = ARCHITECTURES["batch norm"][0], ARCHITECTURES["mlp"][0]
    told = about(remarks(tmp_path, make, 6, training={"batch_size": 47}))
    assert told == {"scale_free": "0.weight", "last_row": "48 47"}
    with pytest.raises(
        UsageError,
        match=r"^training\.batch_size: must leave the last batch of 24 rows .* got 23\.",
    ):
        remarks(tmp_path, make, 6, training={"batch_size": 23})
    for size in (22, 24, 46, "full"):
        assert "last_row" not in about(remarks(tmp_path, make, 6, training={"batch_size": size}))
    for size in (23, 47):
        assert remarks(tmp_path, other, 6, training={"batch_size": size}) == ()


@pytest.mark.parametrize(("shape", "said"), [((6,), {}), ((2, 3), {"flattened": "2 x 3"})])
def test_rows_of_several_dimensions_are_flattened_for_an_mlp(
    tmp_path: Path, shape: tuple[int, ...], said: Said
) -> None:
    found = remarks(tmp_path, lambda: nn.Linear(6, 3), *shape, model={"hidden": [4]})
    assert about(found) == said


@pytest.mark.parametrize(
    ("last", "said"),
    [(nn.Identity, {}), (nn.Sigmoid, {"bounded": "0 to 1"}), (nn.Tanh, {"bounded": "-1 to 1"})],
)
def test_targets_beyond_what_a_network_can_say(
    tmp_path: Path, last: Callable[[], nn.Module], said: Said
) -> None:
    data = {"source": "rows.npz", "task": "regression"}
    found = remarks(tmp_path, lambda: seq(nn.Linear(6, 1), last()), 6, data=data)
    assert {remark.kind: remark.about[0] for remark in found} == said


def test_targets_within_what_a_network_can_say_are_no_remark(tmp_path: Path) -> None:
    data = {"source": "rows.npz", "task": "regression", "scale": "none"}
    rows = dataset(tmp_path, 6, task="regression")
    spec = parse_spec({**STUDY, "data": data}, "x", tmp_path)
    for size, kinds in ((1.0, []), (1.1, ["bounded"])):
        y = size * rows.y / np.abs(rows.y).max()
        problem, module = make_problem(spec, replace(rows, y=y)), seq(nn.Linear(6, 1), nn.Tanh())
        found = network_remarks(spec, rows, problem, Layout.of(module), module)
        assert [remark.kind for remark in found] == kinds


class Drawing(nn.Module):
    """Draw from every generator, and count the calls in a buffer."""

    calls: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return x + 1e-9 * (torch.rand(()) + random.random() + float(np.random.rand()))


def state_of_everything(module: nn.Module) -> str:
    tensors = {name: tensor.tolist() for name, tensor in module.state_dict().items()}
    generators = torch.get_rng_state().tolist(), random.getstate(), np.random.get_state()
    with np.printoptions(threshold=1000):
        return repr((tensors, generators))


def test_neither_the_network_nor_any_generator_is_changed(tmp_path: Path) -> None:
    def make() -> nn.Module:
        return seq(nn.Linear(6, 5), nn.BatchNorm1d(5), Drawing(), nn.Linear(5, 3))

    rows, spec = dataset(tmp_path, 6), parse_spec(STUDY, "x", tmp_path)
    problem, module = make_problem(spec, rows), build(make, 0)
    before = state_of_everything(module)
    found = network_remarks(spec, rows, problem, Layout.of(module), module)
    assert about(found) == {"scale_free": "0.weight"}
    assert state_of_everything(module) == before
    module(problem.X[:8])
    assert state_of_everything(module) != before
