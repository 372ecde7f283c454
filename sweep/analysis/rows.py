"""Trials as the rows of a table."""

from __future__ import annotations

from typing import Any

from optuna.trial import FrozenTrial

from sweep.spec.attributes import REPLICATE_VALUES, VALUE_SE


def trial_row(trial: FrozenTrial) -> dict[str, Any]:
    """Return number, state, value ± SE, params, what was measured, the replicates' values.

    Attributes of several numbers are left out but for the last.
    """
    return {
        "number": trial.number,
        "state": trial.state.name,
        "value": trial.value,
        "value_se": trial.user_attrs.get(VALUE_SE),
        **trial.params,
        **{k: v for k, v in trial.user_attrs.items() if not isinstance(v, list | dict)},
        "replicate_values": trial.user_attrs.get(REPLICATE_VALUES),
    }
