"""What can go wrong, as one-line messages: rule, what was got, where, what to do."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence

MANY = 20  # more names than this are not listed
LONGEST = 2_000  # letters of a message
INTERRUPTED = 130  # the exit code of a command that SIGINT or SIGTERM ended

# Where a URL may tell a password, also one that nothing can parse: u:PASSWORD@ up to the last @ of
# the URL, or of the text where the password itself has ://; u:PASSWORD without an @, where it is
# no port; ?password=PASSWORD.
_PASSWORDS = (
    (re.compile(r"(://[^:/\s]*):(?:(?:(?!://).)*@|.*@)", re.DOTALL), r"\1:***@"),
    (re.compile(r":[^\s/]\S*@"), ":***@"),
    (re.compile(r"(://[^:/\s@]*):(?!\*\*\*@|\d*(?:[/?#'\",.)\s]|$))[^\s'\"]*"), r"\1:***"),
    (re.compile(r"((?:password|passwd|passphrase)=)[^&\s]+", re.IGNORECASE), r"\1***"),
)


def hide_passwords(text: str) -> str:
    """Return a URL, or a text with URLs in it, as it may be shown: passwords are `***`."""
    if text.startswith("sqlite:") and text.count("://") == 1:
        return text  # the path of a file may have all of these
    for pattern, shown in _PASSWORDS:
        text = pattern.sub(shown, text)
    return text


def _shortened(message: str) -> str:
    """Leave out the middle of a message that quotes a whole file; no word is cut."""
    if len(message) <= LONGEST:
        return message
    half = LONGEST // 2
    head, tail = message[:half].rpartition(" ")[0], message[-half:].partition(" ")[2]
    return f"{head} … {tail}"


class SweepError(Exception):
    """End a command with one line and exit code 1: the work itself failed."""

    exit_code = 1

    def __init__(self, message: str = "") -> None:
        super().__init__(hide_passwords(_shortened(message)))


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


def did_you_mean(got: str, options: Iterable[str], listed: bool = True) -> str:
    """Suggest the nearest valid name, or list them all: the sentence that ends a message.

    Args:
        got: the name that is none of them.
        options: the valid names.
        listed: whether to list them where none is near; else "" comes back.
    """
    names = list(options)
    if close := difflib.get_close_matches(got, names, 1, cutoff=0.5):
        return f"Did you mean {close[0]}?"
    more = ", …" if len(names) > MANY else ""
    return f"Valid: {', '.join(names[:MANY]) or 'none'}{more}" if listed else ""


def have_it(owners: Sequence[str]) -> str:
    """Say who has something: `a has it`, `a, b and c have it`."""
    *most, last = owners
    return f"{', '.join(most)} and {last} have it" if most else f"{last} has it"
