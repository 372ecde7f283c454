"""The command line, `sweep` or `python -m sweep`."""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from sweep.engines.fork import leading

# As in `workers: 2` and --set training.workers=auto.
MANY = re.compile(r"""\bworkers["']?\s*[:=]\s*["']?(?!1\b)\w""")


def main() -> None:
    """Run a command; and, from the first moment on, what may train a study beside it."""
    try:
        with leading(wanted=_may_want_workers(sys.argv[1:])) as leader:
            from sweep.cli import app

            app.main(leader)
    except KeyboardInterrupt:  # before the command line itself minds it
        sys.exit(128 + signal.SIGINT)


def _may_want_workers(arguments: Sequence[str]) -> bool:
    """Tell by the letter, before anything is parsed, whether a run may come to want workers."""
    if not arguments or arguments[0] != "run":
        return False
    texts = [*arguments]
    for argument in arguments:
        if argument.endswith((".yaml", ".yml")):
            with suppress(OSError, UnicodeDecodeError, ValueError):
                texts.append(Path(argument).read_text(encoding="utf-8"))
    return any(map(MANY.search, texts))


if __name__ == "__main__":
    main()
