"""Every command on a study that other programs wrote to reads its own trials, and says so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import Command, Outcome
from tests.support.foreign import everything, write

SAID = "written by another program and left out"


@pytest.mark.slow
def test_every_command_leaves_them_out_and_says_so(tiny: Path, command: Command) -> None:
    def done(*args: str) -> Outcome:
        outcome = command(*args)
        assert outcome.code == 0 and "Traceback" not in outcome.err
        return outcome

    before = done("export", "tiny.yaml", "-o", "before.yaml").out
    assert "note" not in before
    write("sqlite:///tiny.db", everything)
    exported = done("export", "tiny.yaml", "-o", "after.yaml").out
    assert exported.startswith(before.replace("before", "after")) and SAID in exported
    assert SAID in done("report", "tiny.yaml", "-o", "report.html").out
    assert SAID in Path("report.html").read_text()
    listed = done("status", "tiny.yaml", "--storage", "sqlite:///tiny.db").out
    assert "6/6" in listed and "trials written by another program" in listed
    assert (
        json.loads(done("status", "--storage", "sqlite:///tiny.db", "--json").out)["studies"][0][
            "n_foreign"
        ]
        > 20
    )
    done("validate", "tiny.yaml")
    done("fit", "after.yaml")
    sick = command("doctor", "--storage", "sqlite:///tiny.db")
    assert sick.code == 1 and SAID in sick.out and "sound" not in sick.out
    ran = done("run", "tiny.yaml")
    assert "moved to the study 'tiny (other programs)'" in ran.out
    told = json.loads(done("run", "tiny.yaml", "--json").out)
    assert told["n_trials"] == 6 and len(told["notes"]) == 1
    assert "is sound" in done("doctor", "--storage", "sqlite:///tiny.db").out
    others = done("status", "tiny (other programs)", "--storage", "sqlite:///tiny.db").out
    assert "COMPLETE" in others
    assert "moved to the study" in done("export", "tiny.yaml", "-o", "again.yaml").out


def test_what_a_user_enqueued_is_told(tiny: Path, command: Command) -> None:
    write("sqlite:///tiny.db", lambda study: study.enqueue_trial({"alpha": 0.03}))
    assert (
        "trial #6 was enqueued; `sweep run` trains as many as"
        in command("export", "tiny.yaml").out
    )
    assert "enqueued" in command("doctor", "--storage", "sqlite:///tiny.db").out
    ran = command("run", "tiny.yaml", "--n-trials", "7").out
    assert "note: trial #6 was enqueued by hand, not chosen by the search" in ran
