"""Names of the user attributes that a run stores with its study and with each trial.

Optuna's tools show them under these names, and studies of earlier versions have them: a name
never changes its meaning.
"""

from __future__ import annotations

from typing import NamedTuple

# --- of the study

SPEC = "spec"  # the whole study file, resolved; last of what begins a study
SPEC_HASH = "spec_hash"
FOLDER = "folder"  # the study file's
DATA_HASH = "data_hash"
PROBLEM = "problem"  # what a config tells: rows, outputs, tensors, model_hash, device, refit
UNSCORED = "unscored_folds"  # in `problem`: whose validation targets are all the same, if any
TARGET_SCALES = "target_scales"  # in `problem`: of numbers, by replicate: on the search's folds,
# on fresh ones; the root of a squared loss times it is in the target's units
BALANCED = "balanced"  # in `problem`: pairs of weights that the penalty makes equally large
NOTES = "notes"  # in `problem`: what a user should know of its rows, if anything
REMARKS = "remarks"  # on the network: spec/remarks says them
ALPHA_RANGE = "alpha_range"  # [low, high], as searched at present
ALPHA_MAX = "alpha_max"  # above it weights shrink to zero; None without a formula
ALPHA_CAP = "alpha_cap"  # above it SGD's own step is not stable
WIDENINGS = "widenings"  # moves of the range: at which ask, from what, to what
WIDTH = "width"  # lanes
MEMORY_WAS_SHORT = "memory_was_short"
ENGINE = "engine"  # of the last run by an engine of many hosts: who trains, see `Engine.facts`
RUN = "run"  # when the present run began, and with how many results
BASELINE = "baseline"  # the α = 0 control: params, value, and the attributes of a trial
CONTROLS = "controls"  # α = 0 at the other params of the best trials, by number
LINE = "line"  # strengths at the best trial's other params
CONFIRMATION = "confirmation"  # the choices and the control on fresh folds, by kind
VERDICT = "verdict"
CHOSEN = "chosen"  # what the verdict calls best: params, value and value_se
OTHERS = "other_programs"  # the study that trials of other programs went to, and how many
TRANSFER = "transfer"  # the best strength at another size, by what the sizes count
FIT = "fit"  # what a refit came to on the test rows

# --- of a trial

VALUE_SE = "value_se"
REPLICATE_VALUES = "replicate_values"  # (R,)
REPLICATE_CURVES = "replicate_curves"  # validation losses by epoch and fold: search/by_epoch
VAL_LOSS = "val_loss"  # where the value is another metric
# Where the loss is the value: the metric measured beside it, its error over folds, and (R,).
METRIC, METRIC_SE, REPLICATE_METRICS = "metric", "metric_se", "replicate_metrics"
TRAIN_LOSS = "train_loss"
TRAIN_LOSS_CLEAN = "train_loss_clean"  # on true labels, where training has noisy ones
NORM = "norm"  # ‖W‖₂², ‖W‖₁ or their mixture
LAYER_NORMS = "layer_norms"  # ‖W‖₂² of each penalised tensor, where `balanced` has some
PENALTY = "penalty"  # α·norm; without it where the decay is no term of the loss
SPARSITY = "sparsity"  # share of penalised weights that are exactly 0
INPUTS_USED = "inputs_used"  # by a unit
# Also the score, under the name that `spec.task.score.attribute` gives it.
WEIGHT_COUNTS = "weight_counts"  # a histogram
ENQUEUED = "enqueued"  # true: the user chose its params
ATTEMPTS = "attempts"  # how often a crash cut it off
OUTCOME = "outcome"
REASON = "reason"  # of an outcome that is none to hope for

OK, DIVERGED, COLLAPSED, FAILED = "ok", "diverged", "collapsed", "failed"  # outcomes


class Beside(NamedTuple):
    """What is trained beside the trials, by the attribute of the study that keeps it.

    It lives here since workers, which import no Optuna, get it as the key of a training.
    """

    kind: str  # BASELINE, CONTROLS or LINE
    number: int | None = None  # of the trial whose other params it has
    place: int | None = None  # on the line


def measured_loss(alters_labels: bool) -> str:
    """Name the training loss that compares with validation: the one on true labels."""
    return TRAIN_LOSS_CLEAN if alters_labels else TRAIN_LOSS
