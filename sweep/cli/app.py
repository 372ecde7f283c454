"""The command line: its commands and their order, and how a command ends."""

from __future__ import annotations

import atexit
import errno
import gc
import os
import sys
from typing import TYPE_CHECKING

import typer

from sweep import __version__
from sweep.cli import client, init, results, storages, studies, transfer
from sweep.cli.arguments import ArgumentError, Version, argument_problem
from sweep.cli.jobs import jobs
from sweep.cli.lines import escape_what_cannot_be_shown, one_line
from sweep.cli.serve import serve
from sweep.errors import INTERRUPTED, SweepError, UsageError
from sweep.runtime import is_out_of_memory

if TYPE_CHECKING:
    from sweep.engines.fork import Leader

# As `sweep --help` shows them: a command is a function, and its docstring is its help.
# To add a panel: a module here whose functions import what they need when they are called.
COMMANDS = {
    "Studies": (studies.run, studies.validate, init.init),
    "Results": (results.status, results.export, results.fit, results.report, transfer.transfer),
    "Storages": (storages.doctor, storages.dashboard),
    "Service": (client.submit, client.watch, client.cancel, client.resume),
}

# What a write to a file that is open already can come to: those of others than stdout are caught.
LOST = (errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)

app = typer.Typer(
    help="Find how strong a network's weight penalty should be.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for panel, commands in COMMANDS.items():
    for command in commands:
        app.command(rich_help_panel=panel)(command)
app.add_typer(jobs, name="jobs", rich_help_panel="Studies")
app.add_typer(serve, name="serve", rich_help_panel="Service")


@app.callback(invoke_without_command=True)
def _options(version: Version = False) -> None:
    if version:
        print(f"sweep {__version__}")
        raise typer.Exit


def main(leader: Leader | None = None) -> None:
    """Run the command line; every mistake of the user is one line and exit code 2.

    `leader`: for `run`, the first worker, if it is there already.
    """
    atexit.register(gc.freeze)  # else the process looks for garbage once more as it ends
    escape_what_cannot_be_shown()
    try:
        code = app(prog_name="sweep", standalone_mode=False, obj=leader) or 0
        if sys.stdout:  # which a caller may have closed
            sys.stdout.flush()  # here a full disk is one line; as Python ends it would be more
        sys.exit(code)
    except ArgumentError as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            error.show()
        else:
            print(one_line(f"sweep: {argument_problem(error)}"), file=sys.stderr)
        sys.exit(error.exit_code)
    except SweepError as error:
        print(one_line(f"sweep: {error}"), file=sys.stderr)
        sys.exit(error.exit_code)
    except (MemoryError, RuntimeError) as error:  # before any network is trained, or after all
        if not is_out_of_memory(error):
            raise
        rule = "memory: must hold the rows and what is learnt of them, got no more"
        hint = "Use fewer rows or features, a .npy file, or a machine with more"
        print(one_line(f"sweep: {rule} ({error}). {hint}"), file=sys.stderr)
        sys.exit(UsageError.exit_code)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except OSError as error:
        if error.filename or error.errno not in LOST:
            raise
        if not isinstance(error, BrokenPipeError):  # `sweep status | head`: nobody reads on
            problem = f"sweep: output: must be somewhere that takes it, got {error.strerror}"
            print(one_line(f"{problem}. Write it elsewhere"), file=sys.stderr)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
