"""A study in the queue: what was handed in, what became of it, and what may be asked of it."""

from __future__ import annotations

import json
import secrets
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, fields
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import RowMapping

from sweep.errors import SweepError, UsageError
from sweep.spec.files import parse_spec
from sweep.spec.study import StudySpec
from sweep.spec.tree import set_key
from sweep.spec.yaml import YamlError, read_yaml

State = Literal["queued", "starting", "running", "waiting", "done", "failed", "cancelled"]
WAITS: tuple[State, ...] = ("queued", "waiting")  # has no process
LIVES: tuple[State, ...] = ("starting", "running")  # has one, or had when it was last heard of
ENDED: tuple[State, ...] = ("done", "failed", "cancelled")
STATES: tuple[State, ...] = (*WAITS, *LIVES, *ENDED)
PRIORITIES = range(-100, 101)
KEY = r"[!-~]{1,200}"  # of a submission


class UnknownJobError(UsageError):
    """Report that the project has no study of this name."""


class KeyReusedError(UsageError):
    """Report a key of idempotency that came before, with another study."""


class NameTakenError(UsageError):
    """Report that the project has another study of this name.

    Attributes:
        differences: dotted keys, each with the value it has there and the one that came now.
    """

    def __init__(self, message: str, differences: list[tuple[str, Any, Any]]):
        super().__init__(message)
        self.differences = differences


class QueueFullError(SweepError):
    """Report that the project has as many studies in the queue as it may have."""


class WrongStateError(UsageError):
    """Report something that makes no sense in the state that the study is in."""


class FencedError(SweepError):
    """Report a run that is no longer this process's: nothing was stored."""


@dataclass(frozen=True)
class Submission:
    """A study to be queued.

    Attributes:
        project, owner: where it belongs, and who hands it in.
        body: the study file as it was sent, YAML or JSON.
        spec: the same, checked.
        key: a name for this very submission: one that comes again is not queued again.
        priority: larger ones go first.
        folder: where the study's relative paths start; None: in a folder of the job's own.
        storage: where its trials go; None: into the storage of its project.
    """

    project: str
    owner: str
    body: str
    spec: StudySpec
    key: str | None = None
    priority: int = 0
    folder: str | None = None
    storage: str | None = None

    @classmethod
    def read(cls, project: str, owner: str, body: str, **options: Any) -> Submission:
        """Check the text of a study file; `options` as the attributes.

        Nothing but the text is read, and limits on what studies may do are not looked at.

        Raises:
            UsageError: it breaks a rule of study files.
        """
        return cls(project, owner, body, parsed(body), **options)

    @property
    def fingerprint(self) -> str:
        """A hash of what was sent."""
        return sha256("\0".join((self.project, self.body)).encode()).hexdigest()


def parsed(body: str, folder: Path = Path(".")) -> StudySpec:
    """Check a study given as text; its relative paths start in `folder`.

    Raises:
        UsageError: it breaks a rule of study files.
    """
    return parse_spec(_tree(body), "study", folder)


def _tree(body: str) -> dict[str, Any]:
    try:
        tree = read_yaml(body)
    except YamlError as error:
        raise UsageError(f"study: must be {error}. Mend that line") from None
    if not isinstance(tree, dict):
        raise UsageError(
            f"study: must be keys and values, got {type(tree).__name__}. Try `sweep init`"
        )
    return tree


@dataclass(frozen=True)
class Job:
    """A study in the queue, as it was when it was read.

    Times are in seconds since 1970, None where it has not come to that.

    Attributes:
        seq: counts up in the order of submission.
        id: a UUID (version 7); never given twice.
        project, owner, study_name: whose it is, and its name, which no other one of the project
            has.
        body, folder, storage: see `Submission`.
        spec_hash: the same for two studies that may have the same trials.
        changes: dotted keys of the study file that were changed since.
        n_trials, timeout_s: what holds now, with `changes`.
        state: see `STATES`.
        want: while a run is being stopped for good, what it is to be then: `cancel`, or `fail`
            after too long a time; else empty.
        wanted: when that was asked for.
        priority: larger ones go first.
        host, pid, started: the process that runs it, or that ran it last.
        attempts: how often a run was begun since it was submitted or resumed.
        due: when a waiting one is tried again.
        created, queued, begun, ended: when it was submitted; when it was queued, last; when a
            run began, last; when it ended.
        ending: how its last run ended, such as done, timeout, interrupted, crashed.
        error, message: the name of the last error's class, and its one line; empty if none.
        progress: the data of its last `progress` event.
    """

    seq: int
    id: str
    project: str
    owner: str
    study_name: str
    body: str
    folder: str | None
    storage: str | None
    spec_hash: str
    changes: dict[str, Any]
    n_trials: int
    timeout_s: float | None
    state: State
    want: str
    wanted: float | None
    priority: int
    host: str
    pid: int
    started: str
    attempts: int
    due: float | None
    created: float
    queued: float
    begun: float | None
    ended: float | None
    ending: str
    error: str
    message: str
    progress: dict[str, Any] | None

    @classmethod
    def of(cls, row: RowMapping) -> Job:
        """Read a row of the table."""
        named = {field.name: row[field.name] for field in fields(cls)}
        progress = row["progress"]
        return cls(
            **{
                **named,
                "changes": json.loads(row["changes"]),
                "progress": None if progress is None else json.loads(progress),
            }
        )

    @property
    def stopping(self) -> bool:
        """Whether its run is being stopped for good."""
        return bool(self.want) and self.state in LIVES

    @property
    def spec(self) -> StudySpec:
        """The study as it stands now: its text, with the changes since."""
        return self.changed({})

    def changed(self, changes: Mapping[str, Any]) -> StudySpec:
        """Return the study with further changes, dotted keys to values.

        It has as many trials as were wanted when it was submitted, also where its text leaves
        that open and a later version would put another number there.

        Raises:
            UsageError: a value breaks a rule of study files.
        """
        tree = _tree(self.body)
        given = {"search.n_trials": self.n_trials, **self.changes, **changes}
        for dotted, value in given.items():
            set_key(tree, dotted, value)
        return parse_spec(tree, "study", Path(self.folder or "."))


def checked_priority(value: Any) -> int:
    """Return a priority.

    Raises:
        UsageError: it is none.
    """
    if type(value) is not int or value not in PRIORITIES:
        raise UsageError(f"priority: must be a whole number from -100 to 100, got {value!r:.80}")
    return value


def uuid7() -> str:
    """Return a new UUID whose order as text is that of the time it was made at (RFC 9562)."""
    value = (time.time_ns() // 1_000_000) << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) | 0x7 << 76  # the version
    value = value & ~(0x3 << 62) | 0x2 << 62  # the variant
    return str(uuid.UUID(int=value))
