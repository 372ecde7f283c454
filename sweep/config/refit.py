"""Refit with the exported strength and with none, and measure both on the test rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from sweep.analysis.balance import imbalance
from sweep.config.card import write_files
from sweep.config.export import read_config, read_params
from sweep.config.fitted import Estimate, Fit, Row, sentence
from sweep.config.network import Network
from sweep.config.train import Trained, train_seeds
from sweep.config.training_loop import Config
from sweep.data.holdout import (
    describe_preprocessing,
    make_refit_problem,
    refit_seed,
    training_rows,
)
from sweep.errors import SweepError, UsageError
from sweep.plan.plan import Plan, make_plan
from sweep.runtime import keep_freed_memory, use_full_precision, use_one_thread
from sweep.spec.attributes import BALANCED, NOTES, TRANSFER
from sweep.spec.files import parse_spec
from sweep.spec.objective import METRICS
from sweep.spec.remarks import LAST_ROW, sentences
from sweep.spec.sections import OwnModelSpec
from sweep.spec.sources import FILES, sources_of
from sweep.spec.stored import hashes, upgraded
from sweep.spec.study import StudySpec

__all__ = ["Estimate", "Fit", "Row", "fit", "sentence"]

N_SEEDS = 8
MANY_MORE = 1.25  # times the rows of the search: from there on the line on alpha's scale is given


def fit(
    config: str | Path | Config,
    output: str | Path | None = None,
    *,
    device: str | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Fit:
    """Refit an exported config, measure it on the test rows, and write the network.

    Eight seeds are trained with the exported strength and eight with none, all at once; the
    networks of one seed start from the same weights and see the same rows in the same order.
    Test rows are not trained on, and they do not decide which network is written.

    Args:
        config: a file of `sweep export`, or what `load_config` read from it. Paths inside its
            study are looked up in the folder that it names (`provenance.folder`), its own, the
            one above, and the working one.
        output: where the weights go; a card is written beside them as `.md`. By default the
            config's own name with `.safetensors`.
        device: another device than the study's: auto, cpu, cuda, cuda:N.
        on_progress: called after every epoch with the epochs done and the total.

    Raises:
        UsageError: the file is no config, the data or the model's file differ from those of
            the search, there are no test rows, or the output cannot be written.
        SweepError: training with the exported strength diverged for every seed, or no memory.
    """
    use_one_thread()
    use_full_precision()
    keep_freed_memory()
    path = _path(config)
    content = read_config(path)  # first: what is no file has no name to give another suffix
    weights_path = _weights_path(path, output)
    plan, params = _plan(content, path, device)
    none = {**params, plan.spec.strength: 0.0}
    trained = train_seeds(plan, [plan.setting(params), plan.setting(none)], on_progress)
    chosen, without = trained.row(0, params), trained.row(1, none)
    network = _network(plan, trained, path)
    result = Fit(
        plan.spec, chosen, without, plan.problem.train.shape[1], content["n_rows"],
        len(plan.dataset.y_test), N_SEEDS, trained.best,
        tuple(_warnings(content, plan, chosen, without)),
        weights_path, weights_path.with_suffix(".md"), _balance(plan, trained),
    )  # fmt: skip
    write_files(result, network, content)
    return result


def _balance(plan: Plan, trained: Trained) -> float | None:
    """Return the factor between the layers' penalties in the network of the best seed."""
    tensors = trained.tensors or {}
    norms = {name: float(tensors[name].double().square().sum()) for name in plan.layout.penalised}
    return imbalance(norms, plan.about[BALANCED])


def _network(plan: Plan, trained: Trained, path: Path) -> Network:
    """Take the network of the best seed."""
    if trained.tensors is None:
        raise SweepError(
            f"config: must train without diverging, got NaN or infinite loss for all {N_SEEDS}"
            f" seeds ({path}). Export another trial, or search with a smaller lr"
        )
    rows = training_rows(plan.spec, plan.dataset, N_SEEDS)
    rows_of_best = rows[trained.best % len(rows)]
    preprocessing = describe_preprocessing(plan.spec, plan.dataset, rows_of_best)
    return Network.of(plan, trained.tensors, preprocessing)


# --- the config, and what it comes to here


def _path(config: str | Path | Config) -> Path:
    path = config.path if isinstance(config, Config) else config
    if path is None:
        raise UsageError(
            "config: must be a file of `sweep export`, got one made in Python. Give the file"
        )
    return Path(path)


def _weights_path(path: Path, output: str | Path | None) -> Path:
    weights = path.with_suffix(".safetensors") if output is None else Path(output)
    if weights.suffix != ".safetensors":
        raise UsageError(f"--output: must end in .safetensors, got {weights}. Change the suffix")
    return weights


def _plan(config: dict[str, Any], path: Path, device: str | None) -> tuple[Plan, dict[str, float]]:
    """Return the plan of the refit, and the exported params."""
    spec = _spec(config, path, device)
    params = read_params(config, spec, path)
    # The searched study's graphs are for a GPU, and its compiled steps take a compiler: a refit is
    # short, and may have neither.
    changes: dict[str, Any] = {"cuda_graph": False, "compile": False}
    if spec.training.precision == "tf32":  # for a GPU too
        changes["precision"] = "float32"
    training = spec.training.model_copy(update=changes)
    plan = make_plan(spec.model_copy(update={"training": training}))
    _check_content(plan, config["provenance"], path)
    if not len(plan.dataset.y_test):
        raise UsageError(
            f"data.test_fraction: must hold out rows to test on, got {spec.data.test_fraction:g}"
            f" ({path}). Set it to 0.2, say, then search and export anew"
        )
    if any(remark.kind == LAST_ROW for remark in plan.remarks):
        raise UsageError(
            f"training.batch_size: must leave the last batch of a refit more than one row, got"
            f" {spec.training.batch_size} ({path}). Search and export with another"
        )
    problem, shape = make_refit_problem(spec, plan.dataset, N_SEEDS), plan.problem.feature_shape
    problem = problem.shaped(shape).to(plan.problem.X.device, plan.problem.X.dtype)
    recipe = replace(plan.recipe, seed=refit_seed(spec.seed))
    return replace(plan, problem=problem, recipe=recipe), params


def _spec(config: dict[str, Any], path: Path, device: str | None) -> StudySpec:
    """Check the study inside a config, and find its folder."""
    tree: dict[str, Any] = config["spec"]
    provenance, n_rows = config.get("provenance"), config.get("n_rows")
    parts = isinstance(provenance, dict) and isinstance(n_rows, int) and 0 < n_rows < 1 << 40
    if not parts or provenance is None or "data_hash" not in provenance:
        raise UsageError(
            f"config: must have n_rows, spec and provenance to refit, got {', '.join(config)}"
            f" ({path}). Export it anew"
        )
    tree = upgraded(tree)
    if device is not None:
        tree = {**tree, "device": device}
    files = _files(parse_spec(tree, str(path), path.parent))
    own, named = path.resolve().parent, provenance.get("folder") or None
    if not isinstance(named, str | None):
        raise UsageError(
            f"provenance.folder: must be the name of a folder, got {named!r} ({path})."
            " Export it anew"
        )
    folders = [*([own / named] if named else []), path.parent, own.parent, Path(".")]
    # The first that holds the most of them: a module may be installed instead.
    folder = max(folders, key=lambda folder: sum(_is_file(folder / file) for file in files))
    if files[0].suffix in FILES and not _is_file(folder / files[0]):
        places = ", ".join(dict.fromkeys(str(place.resolve()) for place in folders))
        raise UsageError(
            f"data.source: must lie in the study's folder, got no {files[0]} in {places} ({path})."
            " Put the config beside the study file"
        )
    return parse_spec(tree, str(path), folder)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name too long
        return False


def _files(spec: StudySpec) -> list[Path]:
    """List what the study's folder may hold of its data, its model and its metric."""
    return [
        Path(*name.split(":")[1].split(".")).with_suffix(".py")
        if name.startswith("python:")
        else Path(name)
        for name in sources_of(spec).values()
    ]


def _check_content(plan: Plan, provenance: dict[str, Any], path: Path) -> None:
    """Refuse rows or a model that differ from those of the search."""
    model = plan.spec.model
    if plan.data_hash != provenance["data_hash"]:
        what, now = f"data.source: must hold the rows that {path} was", plan.spec.data.source
    elif plan.about["model_hash"] != provenance.get("model_hash"):
        source = model.source if isinstance(model, OwnModelSpec) else "the built-in mlp"
        what, now = f"model.source: must be the file that {path} was", source
    elif plan.about.get("loss_hash") != provenance.get("loss_hash"):
        what, now = f"training.loss: must be the file that {path} was", plan.spec.training.loss
    else:
        return
    raise UsageError(
        f"{what} searched with, got other content in {now} (folder {plan.spec.folder})."
        " Put the old one back, or search and export anew"
    )


def _warnings(config: dict[str, Any], plan: Plan, chosen: Row, none: Row) -> Iterator[str]:
    spec, n, n_search = plan.spec, plan.problem.train.shape[1], config["n_rows"]
    name, strength = spec.strength, chosen.params[spec.strength]
    yield from plan.about.get(NOTES, ())
    yield from sentences(plan.remarks, name)
    if n > MANY_MORE * n_search:
        line = f"the refit trains on {n} rows, the search trained on {n_search}"
        yield f"{line}{_at_more_rows(config.get(TRANSFER), name, strength, n_search, n)}"
    for row in (chosen, none):
        if lost := N_SEEDS - len(row.seeds):
            yield (
                f"{lost} of {N_SEEDS} seeds diverged with {name} = {row.params[name]:.3g} and are"
                " left out"
            )
    score = spec.task.score
    if score.name not in chosen.values and spec.task.losses:
        yield f"the test rows all have the same target: there is no {score.words}"
    metric = spec.objective.metric
    if metric in METRICS and METRICS[metric].every_class and metric not in chosen.values:
        yield f"the test rows lack a class: there is no {METRICS[metric].words} of them"
    if config["provenance"].get("spec_hash") not in hashes(config["spec"]):
        yield (
            "the hash of the spec inside the config is not that of the search: if data or splits"
            " were changed, the search may have seen the test rows"
        )


def _at_more_rows(found: Any, name: str, strength: float, n_search: int, n: int) -> str:
    """Say which strength more rows take: by `sweep transfer`, or by a rule of thumb."""
    if isinstance(found, dict) and found.get("what") == "rows":
        size, at, slope, factor = (_number(found, key) for key in
                                   ("size", "strength", "slope", "factor"))  # fmt: skip
        there = at * (n / size) ** slope
        sure = f", times or divided by {factor:.2g}" if n == size else ""
        return f": by `sweep transfer`, {name} = {there:.3g} is best there{sure}"
    if name != "alpha":
        return ""
    return (
        f": as a rule of thumb (for a fixed prior alpha scales as 1/n) alpha would be"
        f" {strength * n_search / n:.3g}; `sweep transfer` measures it"
    )


def _number(found: dict[str, Any], key: str) -> float:
    """Return a number of what `sweep transfer` found; all but the slope are above 0."""
    low, high = (-20.0, 20.0) if key == "slope" else (1e-30, 1e30)
    value = found.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise UsageError(
            f"transfer.{key}: must be what `sweep transfer` found, got {value!r:.40}."
            " Export the config anew"
        )
    return float(value)
