"""The command line, `sweep` or `python -m sweep`."""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from sweep.errors import INTERRUPTED
from sweep.runtime import INTERRUPTS, interrupt

# As in `workers: 2` and --set training.workers=auto.
MANY = re.compile(r"""\bworkers["']?\s*[:=]\s*["']?(?!1\b)\w""")


def main() -> None:
    """Run a command; and, from the first moment on, what may train a study beside it."""
    try:
        for number in INTERRUPTS:  # before the imports, which take longest
            signal.signal(number, interrupt)
        from sweep.engines.fork import leading

        with leading(wanted=_may_want_workers(sys.argv[1:])) as leader:
            from sweep.cli import app

            app.main(leader)
    except KeyboardInterrupt:  # before the command line itself minds it
        sys.exit(INTERRUPTED)
    finally:
        for number in INTERRUPTS:  # Python ends anyway, and would do so with a traceback
            signal.signal(number, signal.SIG_IGN)


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
