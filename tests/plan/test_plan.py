import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch._inductor import config as inductor

from sweep.errors import UsageError
from sweep.plan.plan import make_plan
from sweep.plan.width import CPU_BYTES, resolve_device
from sweep.spec.study import StudySpec
from sweep.training.optimizers import FusedAdam
from tests.support.studies import tiny


def test_the_width_holds_all_trials_in_flight_and_the_control(tmp_path: Path) -> None:
    assert make_plan(tiny(tmp_path)).width == (4 + 1) * 4
    assert make_plan(tiny(tmp_path, search__n_trials=2)).width == (2 + 1) * 4


def test_networks_that_do_not_fit_are_trained_in_equal_waves(tmp_path: Path) -> None:
    plan = make_plan(tiny(tmp_path, model__hidden=[1024], search__in_flight=12))
    assert plan.width in {4 * slots for slots in (1, 2, 3, 4, 5, 7)}
    assert plan.width == 4 or plan.width * plan.lane_bytes <= CPU_BYTES


def test_networks_that_autograd_differentiates_have_more_lanes(tmp_path: Path) -> None:
    code = "from torch import nn\n\ndef make(n, c): return nn.Sequential(nn.Linear(n, 1024),"
    (tmp_path / "own.py").write_text(code + " nn.ReLU(), nn.Linear(1024, c))\n")
    model = {"source": "python:own:make"}
    own, mlp = (
        make_plan(tiny(tmp_path, model=given, search__in_flight=12))
        for given in (model, {"kind": "mlp", "hidden": [1024]})
    )
    assert own.lane_bytes == mlp.lane_bytes
    assert own.width > mlp.width


@pytest.mark.parametrize(
    ("cores", "width", "workers", "lanes"),
    [(64, "auto", 5, 20), (2, "auto", 2, 24), (64, 12, 3, 12), (2, 12, 2, 12), (2, 3, 1, 3)],
)
def test_workers_auto_is_one_a_core_and_none_without_a_slot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    cores: int, width: int | str, workers: int, lanes: int,
) -> None:  # fmt: skip
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)))
    plan = make_plan(tiny(tmp_path, training__workers="auto", training__width=width))
    assert (plan.workers, plan.width) == (workers, lanes)


def test_workers_beside_a_gpu_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    with pytest.raises(UsageError, match=r"^training\.workers: must be 1 beside a GPU"):
        make_plan(tiny(tmp_path, training__workers=2, device="cpu"))


def test_graphs_without_a_gpu_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^training\.cuda_graph: must be false .*device cpu\."):
        make_plan(tiny(tmp_path, training__cuda_graph=True, device="cpu"))


@pytest.mark.parametrize(
    "schedule", [{"type": "cosine", "warmup": 12}, {"type": "one_cycle", "warmup": 20}]
)
def test_a_warm_up_as_long_as_the_training_is_refused(
    tmp_path: Path, schedule: dict[str, Any]
) -> None:
    with pytest.raises(UsageError, match=r"^training\.schedule\.warmup: .*the 12 that") as told:
        make_plan(tiny(tmp_path, training__schedule=schedule))
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("kind", ["flip", "crop"])
def test_changes_of_images_are_refused_where_rows_are_none(tmp_path: Path, kind: str) -> None:
    rule = rf"^training\.augment: {kind} needs rows of shape .* got \(64,\) from sklearn:digits"
    with pytest.raises(UsageError, match=rule) as told:
        make_plan(tiny(tmp_path, training__augment=["noise", kind]))
    assert "\n" not in str(told.value)


def images(folder: Path, **overrides: Any) -> StudySpec:
    draw = np.random.default_rng(0)
    y = np.arange(120) % 3
    X = draw.normal(size=(120, 5, 4)).astype(np.float32)
    X[np.arange(120), 2, y] += 3
    np.savez(folder / "images.npz", X=X, y=y)
    given = {"data__source": "images.npz", "data__label_noise": 0.0, **overrides}
    return tiny(folder, **given)


def test_an_image_moves_by_less_than_its_sides(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^training\.augment\.pad: .* 5 x 4, got 4") as told:
        make_plan(images(tmp_path, training__augment=[{"type": "crop", "pad": 4}]))
    assert "\n" not in str(told.value)
    plan = make_plan(images(tmp_path, training__augment=["crop", "flip", "mixup"]))
    assert plan.recipe.row_shape == (5, 4) and plan.problem.feature_shape == (20,)


def test_no_formula_knows_where_changed_rows_shrink_weights_to_zero(tmp_path: Path) -> None:
    assert make_plan(tiny(tmp_path)).span.alpha_max is not None
    assert make_plan(tiny(tmp_path, training__augment=["noise"])).span.alpha_max is None


def test_muon_without_a_hidden_matrix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^training\.optimizer: muon must have a matrix"):
        make_plan(tiny(tmp_path, training__optimizer="muon", model__hidden=[]))
    assert make_plan(tiny(tmp_path, training__optimizer="muon")).spec.strength == "weight_decay"


def test_tf32_without_a_gpu_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"^training\.precision: must be float32 or bfloat16"
    ) as told:
        make_plan(tiny(tmp_path, training__precision="tf32", device="cpu"))
    assert "\n" not in str(told.value)


def test_a_range_beyond_sgd_s_stability_is_refused(tmp_path: Path) -> None:
    sgd = {"optimizer": "sgd", "lr": 0.1}
    with pytest.raises(UsageError, match=r"alpha\.high: must be < 9\.9.*stable, got 20"):
        make_plan(tiny(tmp_path, training=sgd, search__space__alpha={"low": 1e-3, "high": 20.0}))


def test_penalising_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"penalty\.exempt: must leave a tensor"):
        make_plan(tiny(tmp_path, penalty__exempt=["*"]))


def test_a_network_without_a_matrix_asks_for_include(tmp_path: Path) -> None:
    code = "import torch\n\nclass make(torch.nn.Module):\n"
    code += "    def __init__(self, n, c):\n        super().__init__()\n"
    code += "        self.w = torch.nn.Parameter(torch.ones(n))\n"
    code += "    def forward(self, x):\n        return (x * self.w)[:, :10]\n"
    (tmp_path / "own.py").write_text(code)
    own = {"source": "python:own:make"}
    with pytest.raises(UsageError, match=r"got none of two .* among w\. Name some in penalty\.in"):
        make_plan(tiny(tmp_path, model=own))
    plan = make_plan(tiny(tmp_path, model=own, penalty__include=["w"]))
    assert plan.layout.penalised == ("w",)


@pytest.mark.parametrize("key", ["exempt", "include"])
def test_a_pattern_that_matches_nothing_is_refused(tmp_path: Path, key: str) -> None:
    line = (
        rf"^penalty\.{key}: must match .* got 'layer\.0\.weight'\. Did you mean layers\.0\.weight"
    )
    with pytest.raises(UsageError, match=line):
        make_plan(tiny(tmp_path, **{f"penalty__{key}": ["layer.0.weight"]}))


def test_a_gpu_that_is_not_there_is_refused() -> None:
    missing = f"cuda:{torch.cuda.device_count()}"
    with pytest.raises(UsageError, match=rf"device: must be there, got {missing}"):
        resolve_device(missing)


def test_steps_count_the_smaller_last_batch(tmp_path: Path) -> None:
    assert make_plan(tiny(tmp_path)).steps == 4 * 3  # 60 rows in batches of 25
    assert make_plan(tiny(tmp_path, training__batch_size="full")).steps == 4


@pytest.mark.usefixtures("compiler")
@pytest.mark.parametrize(
    ("overrides", "one_pass"),
    [
        ({}, True),
        ({"training": {"optimizer": "adamw"}, "penalty": {"norm": "l2"}}, True),
        pytest.param({"training__compile": True}, False, marks=pytest.mark.slow),  # it compiles
        ({"penalty": {"norm": "l1"}}, False),
    ],
)
def test_adam_takes_one_pass_where_its_kernel_can(
    tmp_path: Path, overrides: dict[str, object], one_pass: bool
) -> None:
    optimizer = make_plan(tiny(tmp_path, **overrides)).recipe.optimizer
    assert isinstance(optimizer, FusedAdam) == one_pass


@pytest.mark.slow
def test_steps_that_nothing_can_compile_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.compiler.reset()  # what this process has compiled needs no compiler
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    # monkeypatch would hide the compiler from the tests that follow: it deletes what it has set.
    with (
        inductor.patch({"cpp.cxx": (None, "/nonexistent")}),
        pytest.raises(UsageError, match=r"^training\.compile: must be .*got .*Compiler") as told,
    ):
        make_plan(tiny(tmp_path, training__compile=True))
    assert "\n" not in str(told.value)
