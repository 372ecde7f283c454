"""`sweep` from Python, for a machine without what its command line needs (typer, rich).

python -m tests.benchmarks.inside STUDY.yaml STORAGE --trials N [--device cuda] [--set a.b=c]
"""

from __future__ import annotations

import sweep
from tests.benchmarks.job import read_arguments


def main() -> None:
    args = read_arguments()
    changes = {
        **dict(change.split("=", 1) for change in args.set),
        "search.n_trials": str(args.trials), "storage": args.storage, "device": args.device,
    }  # fmt: skip
    sweep.run(sweep.load_spec(args.study, [f"{key}={value}" for key, value in changes.items()]))


if __name__ == "__main__":
    main()
