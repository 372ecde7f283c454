"""The studies of a ladder."""

from pathlib import Path

import pytest

from sweep.data.dataset import load_dataset
from sweep.data.replicates import split_rows
from sweep.errors import UsageError
from sweep.runner.rungs import size_of, smaller
from tests.support.studies import parse, tiny


def test_rows_are_a_quarter_and_a_half(tmp_path: Path) -> None:
    spec = tiny(tmp_path)
    rungs = dict(smaller(spec, "rows", 60))
    assert [rung.study_name for rung in rungs.values()] == ["tiny-rows-15", "tiny-rows-30"]
    assert {n: rung.data.train_rows for n, rung in rungs.items()} == {15: 15, 30: 30}
    assert all(rung.training.epochs == spec.training.epochs for rung in rungs.values())
    assert all(rung.search.sampler.type == "design" for rung in rungs.values())
    assert all(
        (rung.storage, rung.folder) == (spec.storage, spec.folder) for rung in rungs.values()
    )


def test_fewer_rows_take_more_epochs_for_as_many_steps(tmp_path: Path) -> None:
    rungs = smaller(tiny(tmp_path), "rows", 60, "steps")
    assert [(n, rung.training.epochs, rung.study_name[-8:]) for n, rung in rungs] == [
        (15, 16, "15-steps"), (30, 8, "30-steps"),
    ]  # fmt: skip


def test_rungs_validate_on_the_same_rows(tmp_path: Path) -> None:
    spec = tiny(tmp_path)
    studies = [spec, *(rung for _, rung in smaller(spec, "rows", 60))]
    splits = [split_rows(one, load_dataset(one.data, one.folder, one.seed))[1] for one in studies]
    for fold in zip(*splits, strict=True):
        assert len({val.tobytes() for _, val in fold}) == 1


def test_all_layers_become_narrower(tmp_path: Path) -> None:
    spec = tiny(tmp_path, model__hidden=[8, 2])
    assert size_of(spec, "hidden", 60) == 8
    widths = {n: rung.model.model_dump()["hidden"] for n, rung in smaller(spec, "hidden", 8)}
    assert {n: [*hidden] for n, hidden in widths.items()} == {2: [2, 1], 4: [4, 1]}


@pytest.mark.parametrize(
    "model", [{"hidden": []}, {"source": "python:own:make_model"}], ids=["linear", "own"]
)
def test_a_network_without_a_width_is_refused(model: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="--hidden: must be of a study whose model is an mlp"):
        size_of(parse(model=model), "hidden", 60)


def test_too_small_a_study_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match="transfer: must have 4 rows or more to begin from, got 3"
    ):
        list(smaller(tiny(tmp_path), "rows", 3))
