"""Ray Tune with its search by Optuna, around the tuned loop: a trial a core.

Actors are used again, the rows are shared, dashboard, loggers and usage reports are off: what
is left is what Ray needs. Needs the extra `bench`.
"""

from __future__ import annotations

import os
import tempfile
import time
from importlib import import_module
from typing import Any

import optuna
import torch

from tests.benchmarks.job import Job, Trial, read_job, write_trials
from tests.benchmarks.tuned import train

QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "RAY_DEDUP_LOGS": "0",
    "RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
}


def main() -> None:
    job = read_job()
    os.environ.update(QUIET)
    ray: Any = import_module("ray")
    tune: Any = import_module("ray.tune")
    search: Any = import_module("ray.tune.search")
    optuna_search: Any = import_module("ray.tune.search.optuna")
    optuna.logging.set_verbosity(optuna.logging.WARNING)

    def objective(config: dict[str, float], job: Job) -> None:
        began = time.time()
        torch.set_num_threads(1)
        curves = [train(job, r, config["alpha"]) for r in job.replicates]
        value = float(torch.stack(curves).mean(0)[-1])
        tune.report({"value": value, "began": began, "ended": time.time()})

    with tempfile.TemporaryDirectory() as folder:
        ray.init(
            num_cpus=job.processes, include_dashboard=False, log_to_driver=False,
            logging_level="ERROR", configure_logging=False, _temp_dir=folder,
        )  # fmt: skip
        tuner = tune.Tuner(
            tune.with_resources(tune.with_parameters(objective, job=job), {"cpu": 1}),
            param_space={"alpha": tune.loguniform(job.low, job.high)},
            tune_config=tune.TuneConfig(
                metric="value", mode="min", num_samples=job.trials, reuse_actors=True,
                search_alg=search.ConcurrencyLimiter(
                    optuna_search.OptunaSearch(sampler=optuna.samplers.TPESampler(seed=job.seed)),
                    max_concurrent=job.processes,
                ),
            ),
            run_config=tune.RunConfig(storage_path=folder, verbose=0),
        )  # fmt: skip
        found = [result.metrics for result in tuner.fit()]
        ray.shutdown()
    write_trials([Trial(f["config"]["alpha"], f["value"], f["began"], f["ended"]) for f in found])


if __name__ == "__main__":
    main()
