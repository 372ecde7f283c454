"""The studies of a ladder: the same study with fewer rows, or with a narrower network."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from sweep.errors import UsageError
from sweep.spec.files import parse_spec
from sweep.spec.search import DESIGN_TRIALS
from sweep.spec.sections import MlpSpec
from sweep.spec.study import StudySpec

Fixed = Literal["epochs", "steps"]

SHARES = (4, 2)  # a quarter and a half of the study's own size


def size_of(spec: StudySpec, what: str, n_rows: int) -> int:
    """Return the size of a study: rows that a training sees, or units of its first layer.

    Args:
        spec: the study.
        what: `rows` or `hidden`.
        n_rows: rows that each replicate trains on.

    Raises:
        UsageError: its network has no hidden layer of ours.
    """
    if what == "rows":
        return n_rows
    if not isinstance(spec.model, MlpSpec) or not spec.model.hidden:
        raise UsageError(
            "--hidden: must be of a study whose model is an mlp with a hidden layer, got"
            f" {spec.model.model_dump()}. Use --rows"
        )
    return spec.model.hidden[0]


def smaller(
    spec: StudySpec, what: str, size: int, fixed: Fixed = "epochs"
) -> Iterator[tuple[int, StudySpec]]:
    """Yield the sizes below a study's own and the study of each, the smallest first.

    They lie in the same storage as `NAME-rows-75` or `NAME-hidden-8`, have the same folds and
    first weights' seeds, and search the strength by the design.

    Args:
        spec: the study.
        what: `rows` or `hidden`.
        size: its own size.
        fixed: with `rows`, what all of them have in common: `epochs`, or `steps` of the optimiser,
            for which fewer rows take more epochs.

    Raises:
        UsageError: the study is too small to be made smaller.
    """
    sizes = sorted({size // share for share in SHARES})
    if sizes[0] < 1 or len(sizes) < len(SHARES):
        raise UsageError(
            f"transfer: must have {max(SHARES)} {what} or more to begin from, got {size}"
        )
    for one in sizes:
        yield one, _of_size(spec, what, size, one, fixed)


def _of_size(spec: StudySpec, what: str, own: int, size: int, fixed: Fixed) -> StudySpec:
    tree: dict[str, Any] = spec.model_dump(mode="json")
    tail = f"{what}-{size}" + (f"-{fixed}" if fixed == "steps" else "")
    tree["study_name"] = f"{spec.study_name}-{tail}"
    tree["storage"] = spec.storage  # with its password, which a dump may hide
    if what == "rows":
        tree["data"]["train_rows"] = size
        if fixed == "steps":
            tree["training"]["epochs"] = round(spec.training.epochs * own / size)
    else:
        hidden = spec.model.hidden  # type: ignore[union-attr]
        tree["model"]["hidden"] = [max(1, round(units * size / own)) for units in hidden]
    tree["search"] |= {"n_trials": DESIGN_TRIALS, "sampler": {"type": "design"}}
    tree["search"] |= {"pruner": {"type": "none"}}
    return parse_spec(tree, tree["study_name"], spec.folder)
