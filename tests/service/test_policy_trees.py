"""Whatever the policy allows, a job then reads only what the service has set out for it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

N_EXAMPLES = 10_000


@pytest.mark.slow
def test_an_allowed_study_touches_nothing_else(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.sent_trees", str(tmp_path), str(N_EXAMPLES)],
        capture_output=True, text=True, check=False, timeout=1800,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout)
    assert told["outside"] == []
    assert told["checked"] == N_EXAMPLES and told["allowed"] >= N_EXAMPLES // 20
