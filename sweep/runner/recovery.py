"""Put trials that nobody trains any more back in the queue, after a crash or a stop."""

from optuna.trial import TrialState

from sweep.storage.mirror import MirroredStorage


def reconcile(storage: MirroredStorage, study_id: int, max_attempts: int = 3) -> None:
    """Put every trial that a crash left RUNNING back in the queue, and flush.

    It keeps its number and params and loses its intermediate values (a report of a step
    already stored would be ignored) and what a pruner noted of them. Its user attribute
    `attempts` counts the attempts cut off; at `max_attempts` it becomes FAIL with the
    attributes `outcome` and `reason`.

    Raises OwnedElsewhereError, StorageError: see MirroredStorage.flush.
    """
    for trial in storage.get_all_trials(study_id, False, (TrialState.RUNNING,)):
        attempts = trial.user_attrs.get("attempts", 0) + 1
        storage.set_trial_user_attr(trial._trial_id, "attempts", attempts)
        if attempts < max_attempts:
            storage.requeue_trial(trial._trial_id)
        else:
            _give_up(storage, trial._trial_id, f"cut off {attempts} times before its end")
    storage.flush(durable=True)


def requeue(storage: MirroredStorage, study_id: int) -> None:
    """Put every RUNNING trial back in the queue without counting an attempt, and flush.

    For an owner that stops in good order: nobody's trial stays RUNNING.

    Raises OwnedElsewhereError, StorageError: see MirroredStorage.flush.
    """
    for trial in storage.get_all_trials(study_id, False, (TrialState.RUNNING,)):
        storage.requeue_trial(trial._trial_id)
    storage.flush(durable=True)


def _give_up(storage: MirroredStorage, trial_id: int, reason: str) -> None:
    storage.set_trial_user_attr(trial_id, "outcome", "failed")
    storage.set_trial_user_attr(trial_id, "reason", reason)
    storage.set_trial_state_values(trial_id, TrialState.FAIL)
