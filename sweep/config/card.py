"""The files of a refit: weights, and a model card beside them that says what they are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from safetensors.torch import save

from sweep.analysis.balance import sentence as sentence_of_balance
from sweep.config.export import formula
from sweep.config.fitted import METRICS, Fit, of_rows, sentence
from sweep.config.network import Network, snippet
from sweep.data.sources import arriving
from sweep.files import write_together
from sweep.runtime import versions
from sweep.spec.loss_setting import loss_words, weights_words


def write_files(fit: Fit, network: Network, config: Mapping[str, Any]) -> None:
    """Write the weights and their card: each whole, and neither where one cannot be written.

    Raises:
        UsageError: the folder cannot be written.
    """
    # One key: the order of several is not the same from write to write.
    weights = save(network.tensors, {"sweep": json.dumps(network.about)})
    text = card(fit, network, config)
    write_together({fit.weights_path: weights, fit.card_path: text.encode()})


# --- the card


def card(fit: Fit, network: Network, config: Mapping[str, Any]) -> str:
    """Write the model card, as Markdown."""
    name, spec = fit.weights_path.name, fit.spec
    parts = [
        f"# {fit.weights_path.stem}",
        f"A network of the study `{spec.study_name}`, trained with the weight penalty that"
        f" `sweep` chose. {sentence(fit)}",
        _bullets(fit, network, config),
        *(f"**Note**: {line}." for line in fit.warnings),
        "## Metrics",
        _table(fit),
        _how_measured(fit),
        "## Use",
        f"`{name}` holds the tensors; what predictions need besides is in its header. Nothing"
        " of sweep is needed:",
        f"```python\n{snippet(network, name)}\n```",
        "## Preprocessing",
        _preprocessing(fit, network),
        "## Provenance",
        _provenance(fit, config),
    ]
    return "\n\n".join(parts) + "\n"


def _bullets(fit: Fit, network: Network, config: Mapping[str, Any]) -> str:
    spec, data, training = fit.spec, fit.spec.data, fit.spec.training
    params = ", ".join(f"{name} = {value!r}" for name, value in fit.chosen.params.items())
    rows = "a new draw for every seed" if data.train_rows else "all but the test rows"
    noise = f", {data.label_noise:.0%} of their labels made wrong" if data.label_noise else ""
    batch = "all" if training.batch_size == "full" else training.batch_size
    return "\n".join([
        f"* params: {params} (selection `{config.get('selection', 'unknown')}`)",
        f"* penalty: {formula(spec)}",
        f"* training: {training.optimizer}, lr {spec.values(fit.chosen.params)['lr']:g},"
        f" {', '.join([f'{training.epochs} epochs, {batch} rows a step', *training.extras])}",
        f"* data: `{data.source}`, {data.task}, trained on {fit.n_rows} rows ({rows}){noise};"
        f" tested on {fit.n_test_rows} rows",
        *([f"* balance: {sentence_of_balance(fit.balance)}"] if fit.balance else []),
        f"* tensors: {', '.join(f'`{name}`' for name in network.tensors)}",
    ])  # fmt: skip


def _table(fit: Fit) -> str:
    chosen, none, differences = fit.chosen.estimates, fit.none.estimates, fit.differences
    name = fit.spec.strength
    lines = [
        f"| | {name} = {fit.strength:.3g} | {name} = 0 | difference (paired) | this file |",
        "|---|---|---|---|---|",
    ]
    for metric, words in METRICS.items():
        if metric in chosen:
            cells = [str(part.get(metric, "–")) for part in (chosen, none, differences)]
            lines.append(f"| {words} | {' | '.join(cells)} | {fit.saved[metric]:.4f} |")
    return "\n".join(lines)


def _how_measured(fit: Fit) -> str:
    drawn = ", order and draw of the rows" if fit.spec.data.train_rows else " and order of rows"
    by_rows = " and ".join(of_rows(fit.errors_over))
    text = (
        f"Mean ± standard error over {fit.n_seeds} seeds (first weights{drawn});"
        f" {by_rows} also over the {fit.n_test_rows} test rows, a difference paired row by row."
        " What training on other rows would give is left out."
        f" Loss: {loss_words(fit.spec).loss}{weights_words(fit.spec)}. This file is seed"
        f" {fit.saved_seed}, the one with the lowest training loss; test rows were neither trained"
        " on nor used to choose it."
    )
    if "calibration_error" in fit.saved:
        text += (
            " Calibration error: expected calibration error of the top label, 15 bins of equal"
            " width (Guo et al. 2017, [arXiv:1706.04599](https://arxiv.org/abs/1706.04599))."
        )
    return text


_TEXTS = {
    False: "1 where it `is` the one named, else 0 (`is: null`: a text that no training row had,"
    " always 0).",
    True: "1 + its place in `codes`, 0 where it is not there (null: no training row had it).",
}


def _preprocessing(fit: Fit, network: Network) -> str:
    about, source = network.about, fit.spec.data.source
    given = f"Rows come as `{source}` gives them{arriving(source)}."
    if fit.spec.data.images is not None:
        given = f"Rows are the images of `{source}`, (N, C, H, W) in 0..1."
    plain = " Nothing is scaled."
    if "features" in about:
        coded = any("codes" in feature for feature in about["features"])
        done = (
            " Every entry of `features` in the header makes one input from one column: empty cells"
            f" become `fill`, then a number becomes (x − `mean`) / `scale`, and a text"
            f" {_TEXTS[coded]}"
        )
        if source.lower().endswith(".csv"):
            done += (
                " Read the file with `dtype=str, keep_default_na=False`: a text such as `NA` or"
                " `01` stays what it was in training. Numbers that are written otherwise than"
                " 1234.5 (`1,234`, `45%`, `$5`, a mark for a missing cell, a date: days since"
                " 1970-01-01) have to be made numbers first, as was done in training."
            )
    elif "mean" in about:
        done = (
            " Every feature becomes (x − `mean`) / `scale`, both in the header, in the order of a"
            " flattened row; a constant feature has scale 1."
        )
    else:
        done = plain
    if "target" in about:
        done += " An output times `target.scale` plus `target.mean` is in the target's own units."
    learnt = " All of it was learnt from this seed's training rows."
    return given + done + (learnt if done != plain else "")


def _provenance(fit: Fit, config: Mapping[str, Any]) -> str:
    spec, origin = fit.spec, config["provenance"]
    made_with = versions("torch")
    listed = ", ".join(f"{name} {number}" for name, number in made_with.items())
    number = origin.get("trial_number", "unknown")
    what = f"trial {number}" if number is not None else "on the line through the best trial"
    return "\n".join([
        f"* {what} of the search, which trained on"
        f" {fit.n_search_rows} rows a replicate; exported {origin.get('date', 'unknown')}",
        f"* spec_hash {spec.spec_hash}, data_hash {origin['data_hash']},"
        f" model_hash {origin.get('model_hash') or 'none (built-in)'}",
        f"* study seed {spec.seed}, seed index {fit.saved_seed} of {fit.n_seeds}",
        f"* versions: {listed}",
        *(f"* the search trained on {host}" for host in origin.get("engine", {}).get("hosts", ())),
        f"* refitted {datetime.now(UTC).isoformat(timespec='seconds')}",
    ])  # fmt: skip
