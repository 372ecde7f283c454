"""Studies to be queued, and what the service's tables hold of them."""

from typing import Any

from sweep.service.job import Submission

BODY = """\
study_name: {name}
data: {{source: "sklearn:iris", train_rows: 60}}
model: {{hidden: [4]}}
training: {{epochs: 3, batch_size: 20}}
search: {{n_trials: {n_trials}, space: {{alpha: {{low: 1e-4, high: 1e-1}}}}}}
replicates: {{n_folds: 3}}
"""


def submission(name: str = "one", n_trials: int = 6, **options: Any) -> Submission:
    """Return a small study of alice in project vision, unless options say otherwise."""
    body = BODY.format(name=name, n_trials=n_trials)
    given = {"project": "vision", "owner": "alice", **options}
    return Submission.read(body=body, **given)
