"""The command line, `sweep` or `python -m sweep`."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from sweep.leader import leading

MANY = re.compile(r"\bworkers\W+(?!1\b)\w")  # as in `workers: 2`, --set training.workers=auto


def main() -> None:
    """Run a command; and, from the first moment on, what may train a study beside it."""
    with leading(wanted=_may_want_workers(sys.argv[1:])) as leader:
        from sweep import cli

        cli.main(leader)


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
