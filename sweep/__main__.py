"""Run the command line: `python -m sweep`."""

from sweep.cli import main

main()
