"""What a study keeps from its first run to its last: the plan is stored, and changes refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import optuna
from optuna.study import StudyDirection

from sweep.errors import UsageError
from sweep.spec.resolved import Outline, Range
from sweep.spec.stored import stored_spec
from sweep.storage.engine import public_url


def settle(plan: Outline, study: optuna.Study) -> Outline:
    """Compare the plan with what the study was begun with; take over its range and width.

    Raises:
        UsageError: the study was begun by another program, or with another spec, data or model.
    """
    attrs, spec = study.user_attrs, plan.spec
    where = public_url(spec.storage)
    if "spec" in attrs:
        if missing := {"alpha_range", "alpha_max", "data_hash", "problem"} - attrs.keys():
            raise UsageError(
                f"study_name: must be a whole study, got {spec.study_name} without its "
                f"{', '.join(sorted(missing))} ({where}). Restore a backup, or --fresh"
            )
        _refuse_changes(plan, attrs)
        width = attrs.get("width", plan.width)  # stored when the lanes are made
        if not attrs.get("memory_was_short"):  # more trials may ask for more lanes
            width = max(width, plan.width)
        moves = attrs.get("widenings")
        low, high = moves[-1]["after"] if moves else attrs["alpha_range"]
        span = Range(low, high, attrs["alpha_max"], attrs.get("alpha_cap"))
        plan = replace(plan, span=span, width=width)
    elif study.get_trials(deepcopy=False) or study.direction != StudyDirection.MINIMIZE:
        raise UsageError(
            f"study_name: must be new or a study of sweep's, got {spec.study_name}, which another"
            f" program made ({where}). Use another name, or --fresh"
        )
    study.set_user_attr("folder", str(spec.folder.resolve()))
    study.set_user_attr("spec_hash", spec.spec_hash)
    study.set_user_attr("data_hash", plan.data_hash)
    study.set_user_attr("alpha_max", plan.span.alpha_max)
    study.set_user_attr("alpha_cap", plan.span.cap)
    study.set_user_attr("alpha_range", [plan.span.low, plan.span.high])
    study.set_user_attr("problem", plan.about)
    # Last, since a study that has it is taken up: an interrupt in between leaves one to begin.
    study.set_user_attr("spec", {**spec.model_dump(mode="json"), "storage": where})
    return plan


def _refuse_changes(plan: Outline, attrs: dict[str, Any]) -> None:
    old = stored_spec(attrs["spec"]).identity
    changes = [
        f"{key} was {before!r}, is {now!r}"
        for key, before, now in _differences(old, plan.spec.identity)
    ]
    if attrs.get("data_hash") != plan.data_hash:
        changes.append("the data are other rows")
    if attrs.get("problem", {}).get("model_hash") != plan.about["model_hash"]:
        changes.append("the model's file has other content")
    if changes:
        raise UsageError(
            f"study_name: the study {plan.spec.study_name} exists with another spec: "
            f"{'; '.join(changes)} ({public_url(plan.spec.storage)})."
            " Use another study_name, or --fresh"
        )


def _differences(old: Any, new: Any, key: str = "") -> list[tuple[str, Any, Any]]:
    """List the dotted keys at which two trees differ, with both values."""
    if isinstance(old, dict) and isinstance(new, dict):
        return [
            found
            for name in dict.fromkeys([*old, *new])
            for found in _differences(old.get(name), new.get(name), f"{key}.{name}".lstrip("."))
        ]
    return [] if old == new else [(key, old, new)]
