"""The command line, `sweep` or `python -m sweep`."""

import sys

from sweep.leader import leading


def main() -> None:
    """Run a command, and what trains a study beside it from its first moment on."""
    with leading(wanted=sys.argv[1:2] == ["run"]) as leader:
        from sweep import cli

        cli.main(leader)


if __name__ == "__main__":
    main()
