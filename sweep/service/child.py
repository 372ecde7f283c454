"""Run one study of the queue, as a process of its own: `python -m sweep.service.child`.

The supervisor says on stdin what to run. From then on the process lives by itself: it renews its
claim, tells how it goes, and ends in good order when that is asked for, when it is signalled, or
when the claim is no longer its own. What it logs goes to stderr.
"""

from __future__ import annotations

import json
import logging
import resource
import signal
import sys
import time
from collections.abc import Mapping
from typing import Any

from sweep.errors import INTERRUPTED, OwnedElsewhereError, SweepError, UsageError
from sweep.runtime import INTERRUPTS, asked_to_stop, interrupt, interruptible
from sweep.service.claims import Claims, Ending, Pace
from sweep.service.database import Database
from sweep.service.job import FencedError, Job
from sweep.service.order import Order
from sweep.service.pulse import Pulse

PATIENCE_S = 600.0  # how long a database is waited for, to tell it how the run ended
LONGEST = 500  # characters of a message

log = logging.getLogger("sweep.service.child")


def main() -> None:
    """Do what stdin says; the exit code is that of `sweep run`."""
    for number in INTERRUPTS:
        signal.signal(number, interrupt)
    interruptible()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    order = Order(**json.load(sys.stdin))
    if order.memory_bytes is not None:
        resource.setrlimit(resource.RLIMIT_AS, (order.memory_bytes, order.memory_bytes))
    try:
        code = run(order)
    except KeyboardInterrupt:
        code = INTERRUPTED
    except SweepError as error:  # before the run, or after it
        log.error("%s", error)
        code = error.exit_code
    raise SystemExit(code)


def run(order: Order) -> int:
    """Run a study and tell what came of it; return the exit code."""
    database = Database.open(order.database)
    try:
        claims = Claims(database, Pace(**order.pace))
        job = claims.begin(order.job_id, order.token)
        pulse = Pulse(claims, job, order.token)
        with pulse.beating():
            ending = attempt(job, order.overrides, pulse)
        if pulse.fenced:
            log.info("another process has this study by now")
            return INTERRUPTED
        log.info("ended: %s %s", ending.how, ending.message)
        _settle(claims, order, ending, pulse)
    finally:
        database.close()
    return {"done": 0, "timeout": 0, "interrupted": INTERRUPTED, "refused": 2}.get(ending.how, 1)


def attempt(job: Job, overrides: Mapping[str, Any], pulse: Pulse) -> Ending:
    """Run a study to its end, in whatever way that comes."""
    if pulse.should_stop:  # before it has begun
        return Ending("interrupted")
    try:
        return _train(job, overrides, pulse)
    except KeyboardInterrupt:
        return Ending("interrupted")
    except OwnedElsewhereError as error:
        return _failed("elsewhere", error)
    except UsageError as error:
        return _failed("refused" if error.exit_code == UsageError.exit_code else "crashed", error)
    except SweepError as error:
        return _failed("crashed", error)
    except Exception as error:
        log.exception("crashed")
        return _failed("crashed", error)


def _train(job: Job, overrides: Mapping[str, Any], pulse: Pulse) -> Ending:
    from sweep.dashboard.page import publish
    from sweep.runner.run import run_study

    spec = job.changed(overrides)
    with asked_to_stop(lambda: log.info("stopping after this epoch")) as asked:
        how = run_study(
            spec,
            on_plan=lambda plan: pulse.say(*plan.notes),
            on_progress=pulse.hear,
            should_stop=lambda: asked() or pulse.should_stop,
            publish=publish,
        )
    return Ending(how, n_trials=spec.search.n_trials)


def _failed(how: Any, error: BaseException) -> Ending:
    message = " ".join(str(error).split())[:LONGEST]
    return Ending(how, type(error).__name__, message or type(error).__name__)


def _settle(claims: Claims, order: Order, ending: Ending, pulse: Pulse) -> None:
    """Tell how the run ended; a database that is away is waited for.

    Raises:
        SweepError: it did not come back.
    """
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            claims.settle(order.job_id, order.token, ending, pulse.untold())
            return
        except FencedError:
            return
        except SweepError as error:
            if time.monotonic() > deadline:
                raise
            log.warning("%s", error)
            time.sleep(1.0)


if __name__ == "__main__":
    main()
