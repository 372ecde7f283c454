"""What can go wrong, as one-line messages: rule, what was got, where, what to do."""

INTERRUPTED = 130  # the exit code of a command that SIGINT or SIGTERM ended


class SweepError(Exception):
    """End a command with one line and exit code 1: the work itself failed."""

    exit_code = 1


class UsageError(SweepError):
    """End a command with one line and exit code 2: the user's input is at fault."""

    exit_code = 2


class StorageError(UsageError):
    """Report a storage that cannot be opened, read or written as asked."""


class StorageFailedError(StorageError):
    """Report a storage that failed while a study ran on it: the work failed, not the input."""

    exit_code = 1


class OwnedElsewhereError(SweepError):
    """Report that another process runs this study."""
