"""Go on with a stored study: compare its plan, and requeue trials that were cut off."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import optuna
from optuna.study import StudyDirection
from optuna.trial import TrialState

from sweep.errors import UsageError, hide_passwords
from sweep.search.ask_tell import is_result
from sweep.spec.attributes import (
    ALPHA_CAP,
    ALPHA_MAX,
    ALPHA_RANGE,
    ATTEMPTS,
    BASELINE,
    CONFIRMATION,
    CONTROLS,
    DATA_HASH,
    ENGINE,
    ENQUEUED,
    FOLDER,
    LINE,
    MEMORY_WAS_SHORT,
    OUTCOME,
    PROBLEM,
    REASON,
    REMARKS,
    SPEC,
    SPEC_HASH,
    WIDENINGS,
    WIDTH,
)
from sweep.spec.remarks import stored_remarks
from sweep.spec.resolved import Outline, Range
from sweep.spec.sources import HASHES
from sweep.spec.stored import check_stored, differences, going_on, stored_spec
from sweep.spec.study import StudySpec
from sweep.storage.mirror import MirroredStorage


def settle(plan: Outline, study: optuna.Study) -> Outline:
    """Compare the plan with that of the study's first run; take over its range and width.

    And its sampler, where the file names none.

    Raises:
        UsageError: the study was begun by another program, or with another spec, data or model.
    """
    attrs, spec = study.user_attrs, plan.spec
    where = hide_passwords(spec.storage)
    if SPEC in attrs:
        check_stored(study.study_name, attrs)
        if missing := {ALPHA_RANGE, ALPHA_MAX, DATA_HASH, PROBLEM} - attrs.keys():
            raise UsageError(
                f"study_name: must be a whole study, got {spec.study_name} without its "
                f"{', '.join(sorted(missing))} ({where}). Restore a backup, or --fresh"
            )
        spec = going_on(spec, stored_spec(attrs[SPEC]))
        plan = replace(plan, spec=spec)
        _refuse_changes(plan, attrs)
        width = attrs.get(WIDTH, plan.width)  # stored when the lanes are made
        if not attrs.get(MEMORY_WAS_SHORT):  # more trials may ask for more lanes
            width = max(width, plan.width)
            if spec.engine.kind == "ray":  # of each actor: they never depend on anything else
                width = attrs.get(ENGINE, {}).get("lanes") or width
        moves = attrs.get(WIDENINGS)
        low, high = moves[-1]["after"] if moves else attrs[ALPHA_RANGE]
        span = Range(low, high, attrs[ALPHA_MAX], attrs.get(ALPHA_CAP))
        plan = replace(plan, span=span, width=width)
    elif study.get_trials(deepcopy=False) or study.direction != _direction(spec):
        raise UsageError(
            f"study_name: must be new or a study of sweep's, got {spec.study_name}, which another"
            f" program made ({where}). Use another name, or --fresh"
        )
    study.set_user_attr(FOLDER, str(spec.folder.resolve()))
    study.set_user_attr(SPEC_HASH, spec.spec_hash)
    study.set_user_attr(DATA_HASH, plan.data_hash)
    study.set_user_attr(ALPHA_MAX, plan.span.alpha_max)
    study.set_user_attr(ALPHA_CAP, plan.span.cap)
    study.set_user_attr(ALPHA_RANGE, [plan.span.low, plan.span.high])
    study.set_user_attr(PROBLEM, plan.about)
    study.set_user_attr(REMARKS, stored_remarks(plan.remarks))
    # Last, since a study that has it is taken up: an interrupt in between leaves one to begin.
    study.set_user_attr(SPEC, {**spec.model_dump(mode="json"), "storage": where})
    return plan


def has_nothing_to_keep(plan: Outline, storage: MirroredStorage, study: optuna.Study) -> bool:
    """Tell a study that another plan began and that came to no result, so that it may go.

    Its first run ended early: a network raised, say, and has been mended since. What users have
    enqueued is worth keeping.

    Raises:
        UsageError: another version of sweep began it.
    """
    attrs, trials = study.user_attrs, study.get_trials(deepcopy=False)
    if SPEC not in attrs or attrs.keys() & {BASELINE, CONTROLS, LINE, CONFIRMATION}:
        return False
    if storage.has_enqueued(study._study_id) or any(ENQUEUED in t.user_attrs for t in trials):
        return False
    now = replace(plan, spec=going_on(plan.spec, stored_spec(attrs[SPEC])))
    return not any(map(is_result, trials)) and bool(_changes(now, attrs))


def _direction(spec: StudySpec) -> StudyDirection:
    return StudyDirection[spec.objective.study_direction.upper()]


def reconcile(storage: MirroredStorage, study_id: int, max_attempts: int = 3) -> None:
    """Put every trial that a crash left RUNNING back in the queue, and flush.

    It keeps its number and params and loses its intermediate values (a report of a step
    already stored would be ignored) and what a pruner noted of them. Its user attribute
    `attempts` counts the attempts cut off; at `max_attempts` it becomes FAIL with the
    attributes `outcome` and `reason`.

    Raises OwnedElsewhereError, StorageError: see MirroredStorage.flush.
    """
    for trial in storage.get_all_trials(study_id, False, (TrialState.RUNNING,)):
        attempts = trial.user_attrs.get(ATTEMPTS, 0) + 1
        storage.set_trial_user_attr(trial._trial_id, ATTEMPTS, attempts)
        if attempts < max_attempts:
            storage.requeue_trial(trial._trial_id)
        else:
            _give_up(storage, trial._trial_id, f"cut off {attempts} times before its end")
    storage.flush(durable=True)


def requeue(storage: MirroredStorage, study_id: int) -> None:
    """Put every RUNNING trial back in the queue without counting an attempt, and flush.

    An owner that stops in good order leaves no trial RUNNING.

    Raises OwnedElsewhereError, StorageError: see MirroredStorage.flush.
    """
    for trial in storage.get_all_trials(study_id, False, (TrialState.RUNNING,)):
        storage.requeue_trial(trial._trial_id)
    storage.flush(durable=True)


def _changes(plan: Outline, attrs: dict[str, Any]) -> list[str]:
    """Say what is other than when the study was begun, but for what may change."""
    old = stored_spec(attrs[SPEC]).identity
    changes = [
        f"{key} was {before!r}, is {now!r}"
        for key, before, now in differences(old, plan.spec.identity)
    ]
    if attrs.get(DATA_HASH) != plan.data_hash:
        changes.append("the data are other rows")
    begun = attrs.get(PROBLEM, {})
    changes += [
        f"the {name.removesuffix('_hash')}'s file has other content"
        for name in HASHES.values()
        if begun.get(name) != plan.about.get(name)
    ]
    before, now = (about.get("penalised") for about in (begun, plan.about))
    if not changes and before and set(before) != set(now or ()):
        changes.append(f"penalised were {', '.join(before)}, are {', '.join(now or ())}")
    return changes


def _refuse_changes(plan: Outline, attrs: dict[str, Any]) -> None:
    if changes := _changes(plan, attrs):
        raise UsageError(
            f"study_name: the study {plan.spec.study_name} exists with another spec: "
            f"{'; '.join(changes)} ({hide_passwords(plan.spec.storage)})."
            " Use another study_name, or --fresh"
        )


def _give_up(storage: MirroredStorage, trial_id: int, reason: str) -> None:
    storage.set_trial_user_attr(trial_id, OUTCOME, "failed")
    storage.set_trial_user_attr(trial_id, REASON, reason)
    storage.set_trial_state_values(trial_id, TrialState.FAIL)
